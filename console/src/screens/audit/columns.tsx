import type { Messages } from '../../i18n/en.ts';
import type { Formats } from '../../i18n/formats.ts';
import type { Column } from '../../parts/Listing.tsx';
import { ClassMark, OutcomeMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import type { AuditRecord } from './query.ts';

/** What was about to happen is told again by what happened. */
export const isNoIntent = (record: AuditRecord): boolean => record.phase !== 'intent';

export const targetOf = (record: AuditRecord): string =>
  record.target ? `${record.target.connector}/${record.target.name}` : '';

export function columns(t: Messages, format: Formats): Column<AuditRecord>[] {
  return [
    { label: t.audit.time, width: '12.5rem', cell: (record) => <Moment time={record.time} />, narrow: { width: '5.5rem', cell: (record) => format.shortMoment(record.time) } },
    { label: t.audit.outcome, width: '5.5rem', cell: (record) => <OutcomeMark status={record.outcome?.status} /> },
    {
      label: t.audit.event,
      width: 'minmax(0, 1.2fr)',
      cell: (record) => t.events[record.event] ?? record.event,
      narrow: { width: 'minmax(0, 1fr)', cell: (record) => targetOf(record) || (t.events[record.event] ?? record.event) },
    },
    { label: t.audit.what, cell: targetOf, width: 'minmax(0, 1.4fr)', wideOnly: true },
    {
      label: t.audit.who,
      cell: (record) => <span title={record.caller?.id}>{record.caller?.name ?? '–'}</span>,
      wideOnly: true,
    },
    {
      label: t.audit.class,
      width: '5rem',
      cell: (record) => (record.target ? <ClassMark name={record.target.class} /> : null),
      wideOnly: true,
    },
    {
      label: t.audit.duration,
      width: '5.5rem',
      cell: (record) => (record.duration_us == null ? '' : format.millis(record.duration_us / 1000)),
      wideOnly: true,
    },
  ];
}
