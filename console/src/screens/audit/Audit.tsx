import { Button, Checkbox, Group, TextInput } from '@mantine/core';
import { IconRefresh } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useNewRecords } from '../../api/live.ts';
import { useT, useTexts, useWording } from '../../i18n/index.tsx';
import { records } from '../../i18n/records.ts';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { type Filter, FilterBar } from '../../parts/FilterBar.tsx';
import { useFilters } from '../../parts/filters.ts';
import { Listing } from '../../parts/Listing.tsx';
import { PageHead } from '../../parts/PageHead.tsx';
import { Breakdown } from './Breakdown.tsx';
import { Checkpoint } from './Checkpoint.tsx';
import { columns, isNoIntent } from './columns.tsx';
import { Export } from './Export.tsx';
import { fetchRecords, PERIODS, queryOf } from './query.ts';
import { RecordDrawer } from './RecordDrawer.tsx';
import { SavedSearches } from './SavedSearches.tsx';

export default function Audit() {
  const { t, zone, format } = useWording();
  const s = useTexts(records);
  const [filters, change] = useFilters();
  const { grown, seen } = useNewRecords();
  // The time that "the last hour" counts back from: moved on by hand, so that pages belong together.
  const [now, setNow] = useState(Date.now);
  const { open, intents, breakdown, ...asked } = filters;
  const key = JSON.stringify(asked);
  const query = useMemo(() => queryOf(JSON.parse(key), zone, now), [key, zone, now]);
  const refresh = () => {
    seen();
    setNow(Date.now());
  };
  return (
    <>
      <PageHead title={t.places.audit} lead={t.leads.audit}>
        <Checkpoint />
        <SavedSearches />
        <Export query={query} />
        <Button
          size="xs"
          variant={grown ? 'filled' : 'default'}
          leftSection={<IconRefresh size={14} />}
          onClick={refresh}
          aria-live="polite"
        >
          {grown ? t.audit.newRecords : t.common.refresh}
        </Button>
      </PageHead>
      <Facets />
      <Group gap="md" mb="xs">
        {filters.period === 'custom' && <FromTo />}
        <Checkbox
          size="xs"
          label={t.audit.intents}
          checked={intents === 'yes'}
          onChange={(event) => change({ intents: event.currentTarget.checked ? 'yes' : undefined })}
        />
        <Checkbox
          size="xs"
          label={s.breakdown}
          checked={breakdown === 'yes'}
          onChange={(event) => change({ breakdown: event.currentTarget.checked ? 'yes' : undefined })}
        />
      </Group>
      {breakdown === 'yes' && <Breakdown query={query} />}
      <Listing
        label={t.places.audit}
        queryKey={['audit', query, now]}
        fetch={(cursor, signal) => fetchRecords(query, cursor, signal)}
        columns={columns(t, format)}
        rowKey={(record) => record.id}
        open={(record) => change({ open: record.id }, 'push')}
        {...(intents === 'yes' ? {} : { keep: isNoIntent })}
        empty={<EmptyState title={t.audit.none} next={t.audit.noneNext} />}
      />
      <RecordDrawer id={open} close={() => change({ open: undefined })} />
    </>
  );
}

function Facets() {
  const t = useT();
  const s = useTexts(records);
  const choices = (words: Record<string, string>, names: string[]) =>
    names.map((value) => ({ value, label: words[value] ?? value }));
  const filters: Filter[] = [
    { kind: 'text', name: 'text', label: t.audit.text, placeholder: t.audit.textHint, wide: true },
    {
      kind: 'choice',
      name: 'period',
      label: t.audit.period,
      any: t.common.all,
      choices: choices(t.audit.periods, [...Object.keys(PERIODS), 'custom']),
    },
    { kind: 'choice', name: 'event', label: t.audit.event, any: t.common.all, choices: choices(t.events, Object.keys(t.events)) },
    {
      kind: 'choice',
      name: 'outcome',
      label: t.audit.outcome,
      any: t.common.all,
      choices: choices(t.outcomes, ['success', 'refused', 'error', 'input_required', 'cancelled', 'unknown']),
    },
    { kind: 'choice', name: 'class', label: t.audit.class, any: t.common.all, choices: choices(t.classes, Object.keys(t.classes)) },
    { kind: 'choice', name: 'decision', label: s.fields.decision, any: t.common.all, choices: choices(s.decisions, Object.keys(s.decisions)) },
    { kind: 'text', name: 'data_class', label: s.fields.data_class },
    { kind: 'text', name: 'user', label: t.audit.user },
    { kind: 'text', name: 'connector', label: t.audit.connector },
    { kind: 'text', name: 'tool', label: t.audit.tool },
    { kind: 'text', name: 'resource', label: t.audit.resource, placeholder: t.audit.resourceHint },
    { kind: 'text', name: 'client', label: t.audit.client },
    { kind: 'text', name: 'approval', label: s.fields.approval },
  ];
  return <FilterBar filters={filters} />;
}

function FromTo() {
  const t = useT();
  const [filters, change] = useFilters();
  return (
    <>
      {(['from', 'until'] as const).map((name) => (
        <TextInput
          key={name}
          size="xs"
          type="datetime-local"
          label={t.audit[name]}
          value={filters[name] ?? ''}
          onChange={(event) => change({ [name]: event.currentTarget.value })}
        />
      ))}
    </>
  );
}
