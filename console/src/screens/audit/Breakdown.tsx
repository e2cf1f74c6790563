// What the records of a search have in common, and when they were written. Each part narrows the search to it.

import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useTexts, useWording } from '../../i18n/index.tsx';
import { records } from '../../i18n/records.ts';
import { Client } from '../../parts/Client.tsx';
import { useFilters } from '../../parts/filters.ts';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Waiting } from '../../parts/Waiting.tsx';
import { type Query, typedOf } from './query.ts';
import './breakdown.css';

const SECOND_MS = 1000;
/** Values of one field that are shown: the rest is found by typing. */
const VALUES_MAX = 6;

export function Breakdown({ query }: { query: Query }) {
  const s = useTexts(records);
  const { format } = useWording();
  const facets = useQuery({
    queryKey: ['audit', 'facets', query],
    queryFn: () => answer(api.GET('/api/v1/audit-facets', { params: { query } })),
  });
  if (facets.error) return <ProblemNotice error={facets.error} retry={() => facets.refetch()} />;
  if (!facets.data) return <Waiting />;
  const { fields, time_line, truncated } = facets.data;
  return (
    <section className="breakdown" aria-label={s.breakdown}>
      <Text size="sm">{s.counted(format.number(facets.data.records), truncated)}</Text>
      {time_line.length > 0 && <TimeLine parts={time_line} />}
      <div className="facets">
        {fields
          .filter((field) => field.values.length > 0)
          .map((field) => (
            <Facet key={field.field} of={field} />
          ))}
      </div>
    </section>
  );
}

function TimeLine({ parts }: { parts: Schemas['AuditTimePart'][] }) {
  const s = useTexts(records);
  const { format, zone } = useWording();
  const [, change] = useFilters();
  const times = parts.map((part) => Date.parse(part.from));
  const width = Math.max((times[1] ?? 0) - (times[0] ?? 0), SECOND_MS);
  const highest = Math.max(...parts.map((part) => part.count));
  const [first, last] = [parts[0], parts.at(-1)];
  return (
    <>
      <div className="time-line" role="group" aria-label={s.timeLine}>
        {parts.map((part, place) => {
          const begins = times[place] ?? 0;
          const until = new Date(Math.ceil((begins + width) / SECOND_MS) * SECOND_MS).toISOString();
          const height = `${Math.max((part.count / highest) * 100, 4)}%`;
          const told = s.part(format.moment(part.from), format.moment(until), format.number(part.count));
          if (part.count === 0) return <span key={part.from} />;
          return (
            <button
              key={part.from}
              type="button"
              title={told}
              aria-label={told}
              onClick={() => change({ period: 'custom', from: typedOf(part.from, zone), until: typedOf(until, zone) }, 'push')}
            >
              <span style={{ height }} />
            </button>
          );
        })}
      </div>
      <div className="time-line-ends">
        <span>{first && format.shortMoment(first.from)}</span>
        <span>{last && format.shortMoment(last.from)}</span>
      </div>
    </>
  );
}

function Facet({ of: { field, values } }: { of: Schemas['AuditFacet'] }) {
  const s = useTexts(records);
  const { t, format } = useWording();
  const [filters, change] = useFilters();
  const words: Record<string, Record<string, string>> = { event: t.events, class: t.classes, decision: s.decisions, outcome: t.outcomes };
  const named = (value: string): ReactNode => {
    if (field === 'user') return <Person id={value} />;
    if (field === 'client') return <Client id={value} />;
    return words[field]?.[value] ?? value;
  };
  const name = s.fields[field] ?? field;
  return (
    <div>
      <h2>{name}</h2>
      <ul className="plain-list">
        {values.slice(0, VALUES_MAX).map(({ value, count }) => (
          <li key={value}>
            <button
              type="button"
              className="row-open"
              aria-pressed={filters[field] === value}
              title={s.only(name, words[field]?.[value] ?? value)}
              onClick={() => change({ [field]: filters[field] === value ? undefined : value }, 'push')}
            >
              {named(value)}
            </button>
            <span>{format.number(count)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
