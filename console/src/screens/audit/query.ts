// From the address to a search of the audit log.

import type { paths } from '../../api/schema.d.ts';
import { answer, api, type Page, type Schemas } from '../../api/client.ts';
import type { Zone } from '../../i18n/index.tsx';
import type { Filters } from '../../parts/filters.ts';

export type AuditRecord = Schemas['RecordView'];
export type Query = NonNullable<paths['/api/v1/audit-records']['get']['parameters']['query']>;

const PAGE = 200;
const HOUR_MS = 3_600_000;
export const PERIODS: Record<string, number> = {
  '1h': HOUR_MS,
  '24h': 24 * HOUR_MS,
  '7d': 7 * 24 * HOUR_MS,
  '30d': 30 * 24 * HOUR_MS,
};

/** What is typed into a field of date and time, as a moment in the reader's zone. */
export function momentOf(typed: string | undefined, zone: Zone): string | undefined {
  if (!typed) return undefined;
  const offset = { 'Asia/Tokyo': '+09:00', UTC: 'Z', local: '' }[zone];
  const time = new Date(typed.replace(' ', 'T') + offset);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

/** A moment, as such a field shows it. */
export function typedOf(moment: string | undefined, zone: Zone): string | undefined {
  if (!moment) return undefined;
  const timeZone = zone === 'local' ? undefined : zone;
  const form = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium', ...(timeZone ? { timeZone } : {}) });
  return form.format(new Date(moment)).replace(' ', 'T');
}

export function queryOf(filters: Filters, zone: Zone, now: number): Query {
  const period = PERIODS[filters.period ?? ''];
  const custom = filters.period === 'custom';
  const given: Record<string, string | undefined> = {
    text: filters.text,
    user: filters.user,
    client: filters.client,
    connector: filters.connector,
    tool: filters.tool,
    resource: filters.resource,
    event: filters.event,
    outcome: filters.outcome,
    class: filters.class,
    data_class: filters.data_class,
    decision: filters.decision,
    approval: filters.approval,
    correlation: filters.correlation,
    from: custom ? momentOf(filters.from, zone) : period === undefined ? undefined : new Date(now - period).toISOString(),
    until: custom ? momentOf(filters.until, zone) : undefined,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value)) as Query;
}

export function fetchRecords(query: Query, cursor: string | undefined, signal: AbortSignal): Promise<Page<AuditRecord>> {
  const page = { ...query, limit: PAGE, ...(cursor ? { cursor } : {}) };
  return answer(api.GET('/api/v1/audit-records', { params: { query: page }, signal }));
}
