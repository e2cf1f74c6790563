import { useT } from '../i18n/index.tsx';

/** Longest texts that are compared line by line; what is longer is shown whole, as removed and added. */
const LINES_MAX = 2_000;

interface Line {
  kind: 'same' | 'added' | 'removed';
  text: string;
}

/** Lines that both have in the same order, the most there are, and what is between them. */
export function diffLines(before: string, after: string): Line[] {
  const a = before.split('\n');
  const b = after.split('\n');
  const removed = (text: string): Line => ({ kind: 'removed', text });
  const added = (text: string): Line => ({ kind: 'added', text });
  if (a.length * b.length > LINES_MAX * LINES_MAX) return [...a.map(removed), ...b.map(added)];
  // common[i][j]: how many lines a[i..] and b[j..] have in common.
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  const at = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    const row = common[i];
    if (!row) continue;
    for (let j = b.length - 1; j >= 0; j--) {
      row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      lines.push({ kind: 'same', text: left });
      i++;
      j++;
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      lines.push(removed(left));
      i++;
    } else if (right !== undefined) {
      lines.push(added(right));
      j++;
    }
  }
  return lines;
}

const SIGNS = { same: ' ', added: '+', removed: '−' };

/** What changed between two texts. */
export function Diff({ before, after }: { before: string; after: string }) {
  const t = useT();
  const lines = diffLines(before, after);
  return (
    <pre className="diff">
      {lines.map((line, number) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name and never move
        <span key={number} data-kind={line.kind}>
          {line.kind !== 'same' && <span className="visually-hidden">{t.catalog[line.kind]}: </span>}
          {`${SIGNS[line.kind]} ${line.text}\n`}
        </span>
      ))}
    </pre>
  );
}
