import { Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { stops } from '../../i18n/stops.ts';
import { Copyable } from '../../parts/Copyable.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { FilterBar } from '../../parts/FilterBar.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Person } from '../../parts/Person.tsx';
import { Scope, useScope } from '../../parts/Scope.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { DrillDialog } from './Drill.tsx';
import { StopDialog } from './StopDialog.tsx';

type KillSwitch = Schemas['KillSwitchView'];

export const AREA = 'kill-switches';
const TONES: Record<string, Tone> = { engaged: 'bad', released: 'plain', ended: 'plain' };

export function KillSwitches() {
  const t = useT();
  const s = useTexts(stops);
  const [filters, change] = useFilters();
  const [drilling, setDrilling] = useState(false);
  const { open, stop } = filters;
  const query = filters.engaged === 'yes' ? { engaged: true } : {};
  const one = useQuery({
    queryKey: [AREA, 'one', open],
    queryFn: () => answer(api.GET('/api/v1/kill-switches/{id}', { params: { path: { id: open ?? '' } } })),
    enabled: open !== undefined,
  });
  return (
    <>
      <Group justify="space-between" mb="xs">
        <Text size="sm" className="tab-lead">{s.lead}</Text>
        <Group gap="xs">
          <GuardedButton area={AREA} size="xs" variant="default" onClick={() => setDrilling(true)}>
            {s.drill}
          </GuardedButton>
          <GuardedButton area={AREA} size="xs" color="red.8" onClick={() => change({ stop: 'connector' }, 'push')}>
            {s.engage}
          </GuardedButton>
        </Group>
      </Group>
      <FilterBar
        filters={[
          { kind: 'choice', name: 'engaged', label: s.only, any: t.common.all, choices: [{ value: 'yes', label: s.onlyEngaged }] },
        ]}
      />
      <Listing<KillSwitch>
        label={s.tab}
        queryKey={[AREA, 'list', query]}
        fetch={(cursor, signal) =>
          answer(
            api.GET('/api/v1/kill-switches', { params: { query: { ...query, limit: 200, ...(cursor ? { cursor } : {}) } }, signal }),
          )
        }
        rowKey={(one) => one.id}
        open={(one) => change({ open: one.id }, 'push')}
        columns={[
          { label: s.scope, width: 'minmax(0, 1.2fr)', cell: (one) => <Scope of={one.scope} /> },
          { label: s.state, width: '8.5rem', cell: (one) => <StateMark of={one} /> },
          { label: s.reason, width: 'minmax(0, 1.6fr)', cell: (one) => one.reason, wideOnly: true },
          { label: s.by, cell: (one) => one.rule ?? <Person id={one.engaged_by} />, wideOnly: true },
          { label: s.at, width: '12.5rem', cell: (one) => <Moment time={one.engaged_at} />, wideOnly: true },
          { label: s.endsAt, width: '12.5rem', cell: (one) => <Moment time={one.ends_at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={s.none} next={s.noneNext} />}
      />
      <Details
        title={one.data && <Scope of={one.data.scope} />}
        opened={open !== undefined}
        close={() => change({ open: undefined })}
        query={one}
      >
        {(one) => <View of={one} />}
      </Details>
      <StopDialog kind={stop} id={filters.of} close={() => change({ stop: undefined, of: undefined })} />
      <DrillDialog opened={drilling} close={() => setDrilling(false)} />
    </>
  );
}

function StateMark({ of }: { of: KillSwitch }) {
  const s = useTexts(stops);
  if (of.drill) return <Mark tone="info">{s.drillMark}</Mark>;
  return <Mark tone={TONES[of.state] ?? 'plain'}>{s.states[of.state] ?? of.state}</Mark>;
}

function View({ of }: { of: Schemas['KillSwitchDetail'] }) {
  const s = useTexts(stops);
  const inWords = useScope();
  const [dialog, confirm] = useConfirm();
  const what = inWords(of.scope);
  const release = () =>
    confirm({
      title: s.releaseTitle(what),
      consequence: s.releaseText,
      verb: s.release,
      done: s.released(what),
      act: () => answer(api.POST('/api/v1/kill-switches/{id}/release', { params: { path: { id: of.id } } })),
      touches: [AREA],
    });
  return (
    <Stack>
      {of.state === 'engaged' && (
        <Group gap="xs">
          <GuardedButton area={AREA} size="xs" onClick={release}>
            {s.release}
          </GuardedButton>
        </Group>
      )}
      <Fields
        of={[
          [s.state, <StateMark key="state" of={of} />],
          [s.scope, of.scope.id ? <Copyable key="scope" text={of.scope.id} /> : what],
          [s.reason, of.reason],
          [s.contact, of.contact],
          [s.by, of.rule ? s.rule(of.rule) : <Person key="by" id={of.engaged_by} link />],
          [s.at, <Moment key="at" time={of.engaged_at} />],
          [s.endsAt, of.ends_at && <Moment key="ends" time={of.ends_at} />],
          [s.releasedBy, of.released_by && <Person key="released" id={of.released_by} link />],
          [s.releasedAt, of.released_at && <Moment key="released" time={of.released_at} />],
        ]}
      />
      <Section title={s.nodes}>
        {of.nodes.length === 0 ? (
          <Text size="sm">{s.noNodes}</Text>
        ) : (
          <SmallTable
            label={s.nodes}
            head={[s.node, s.since]}
            rows={of.nodes.map((node) => ({ key: node.node, cells: [node.node, <Moment key="at" time={node.at} />] }))}
          />
        )}
      </Section>
      {dialog}
    </Stack>
  );
}
