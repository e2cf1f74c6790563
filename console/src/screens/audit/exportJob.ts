// An export that runs while one works on. It is fetched in parts: what was fetched stays when one of them fails, and
// the gate asks with each whether the reader still may.

import { useSyncExternalStore } from 'react';
import { answer, api } from '../../api/client.ts';
import type { Language } from '../../i18n/index.tsx';
import type { Query } from './query.ts';

/** Most records: they are in the browser's memory until they are saved. */
export const RECORDS_MAX = 1_000_000;

export type Form = 'csv' | 'jsonl';
export type State = 'counting' | 'running' | 'paused' | 'failed' | 'too-many' | 'done';

export interface ExportJob {
  state: State;
  form: Form;
  /** How many records match, once that is known. */
  total: number | undefined;
  written: number;
  /** Why it failed. */
  error: Error | undefined;
  /** Where the file is to be had, once it is whole. */
  address: string | undefined;
  name: string;
}

interface Work {
  file: string;
  query: Query;
  until?: string;
  cursor?: string;
  parts: Blob[];
  abort: AbortController;
}

let job: ExportJob | undefined;
let work: Work | undefined;
const listeners = new Set<() => void>();

function tell(next: ExportJob | undefined): void {
  job = next;
  for (const listener of listeners) listener();
}

function change(next: Partial<ExportJob>): void {
  if (job) tell({ ...job, ...next });
}

/** The export of this tab, if there is one. */
export function useExport(): ExportJob | undefined {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => job,
  );
}

export function startExport(query: Query, form: Form, language: Language): void {
  discardExport();
  const file = form === 'csv' ? `records.${language}.csv` : 'records.jsonl';
  work = { file, query, parts: [], abort: new AbortController() };
  tell({ state: 'counting', form, total: undefined, written: 0, error: undefined, address: undefined, name: `audit-${file}` });
  run(work);
}

export function pauseExport(): void {
  work?.abort.abort();
  change({ state: 'paused' });
}

export function resumeExport(): void {
  if (!work) return;
  work.abort = new AbortController();
  change({ state: work.until ? 'running' : 'counting', error: undefined });
  run(work);
}

export function discardExport(): void {
  work?.abort.abort();
  if (job?.address) URL.revokeObjectURL(job.address);
  work = undefined;
  tell(undefined);
}

async function run(one: Work): Promise<void> {
  const { signal } = one.abort;
  try {
    if (!one.until && !(await count(one, signal))) return;
    while (await part(one, signal));
    const file = new Blob(one.parts);
    one.parts = [];
    change({ state: 'done', address: URL.createObjectURL(file) });
  } catch (error) {
    // Who paused it or discarded it said so already.
    if (!signal.aborted) change({ state: 'failed', error: error as Error });
  }
}

/** Whether there is anything to fetch, and not too much. */
async function count(one: Work, signal: AbortSignal): Promise<boolean> {
  const size = await answer(api.GET('/api/v1/audit-exports', { params: { query: one.query }, signal }));
  signal.throwIfAborted();
  const few = size.records <= RECORDS_MAX;
  change({ total: size.records, state: few ? 'running' : 'too-many' });
  // What is recorded meanwhile is not part of it.
  one.until = size.until;
  return few;
}

/** Fetches the next part; whether there is another behind it. */
async function part(one: Work, signal: AbortSignal): Promise<boolean> {
  const query = { ...one.query, until: one.until, ...(one.cursor ? { cursor: one.cursor } : {}) } as Query;
  const params = { path: { file: one.file }, query };
  const { data, response } = await api.GET('/api/v1/audit-exports/{file}/parts', { params, parseAs: 'blob', signal });
  // Whoever goes on fetches it again.
  signal.throwIfAborted();
  one.parts.push(data as Blob);
  change({ written: (job?.written ?? 0) + Number(response.headers.get('Sekimori-Records')) });
  const next = response.headers.get('Sekimori-Next-Cursor');
  if (next) one.cursor = next;
  return next !== null;
}
