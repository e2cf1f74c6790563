// What is wrong with a text that was sent, and where.

import { ApiProblem } from '../api/client.ts';

export interface Flaw {
  /** Which member of the body. */
  member: string;
  line?: number;
  column?: number;
  detail: string;
}

/** `/text:3:5` is a place in a text, `/text` a text as a whole. */
const PLACE = /^\/(?<member>\w+)(?::(?<line>\d+):(?<column>\d+))?/;

export function flawsOf(error: Error | null): Flaw[] {
  if (!(error instanceof ApiProblem)) return [];
  return error.flaws.map(({ pointer, detail }) => {
    const found = PLACE.exec(pointer)?.groups;
    const place = found?.line ? { line: Number(found.line), column: Number(found.column) } : {};
    return { member: found?.member ?? '', detail, ...place };
  });
}

/** How far into a text a line and column are. */
export function offsetOf(text: string, line: number, column: number): number {
  const before = text.split('\n').slice(0, line - 1);
  const here = text.split('\n')[line - 1] ?? '';
  // Columns count characters, positions in a text count code units.
  const within = [...here].slice(0, column - 1).join('').length;
  return before.reduce((sum, one) => sum + one.length + 1, 0) + within;
}
