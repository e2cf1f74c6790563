import { Group, SegmentedControl, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useTexts } from '../../i18n/index.tsx';
import { inspection } from '../../i18n/inspection.ts';
import { Copyable } from '../../parts/Copyable.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { succeeded } from '../../parts/notices.ts';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { StateOfAlarm, takenFor } from './alarms.tsx';

type FalseAlarm = Schemas['FalseAlarmView'];

const AREA = 'inspection';

/** What people report that inspection took for what it is not, until somebody decides. */
export function FalseAlarms() {
  const s = useTexts(inspection);
  const [filters, change] = useFilters();
  const { open } = filters;
  const all = filters.all === 'yes';
  const one = useQuery({
    queryKey: [AREA, 'false-alarm', open],
    queryFn: () => answer(api.GET('/api/v1/false-alarms/{id}', { params: { path: { id: open ?? '' } } })),
    enabled: open !== undefined,
  });
  return (
    <>
      <Group justify="space-between" mb="xs" gap="xs">
        <Text size="sm">{s.alarmsLead}</Text>
        <SegmentedControl
          aria-label={s.alarmsWhich}
          size="xs"
          value={all ? 'yes' : 'no'}
          onChange={(value) => change({ all: value === 'yes' ? 'yes' : undefined })}
          data={[
            { value: 'no', label: s.alarmsOpen },
            { value: 'yes', label: s.alarmsAll },
          ]}
        />
      </Group>
      <Listing<FalseAlarm>
        label={s.alarms}
        queryKey={[AREA, 'false-alarms', all]}
        fetch={(cursor, signal) => {
          const query = { limit: 200, ...(all ? {} : { state: 'open' }), ...(cursor ? { cursor } : {}) };
          return answer(api.GET('/api/v1/false-alarms', { params: { query }, signal }));
        }}
        rowKey={(one) => one.id}
        open={(one) => change({ open: one.id }, 'push')}
        columns={[
          { label: s.reporter, cell: (one) => <Person id={one.by} /> },
          { label: s.takenFor, cell: (one) => takenFor(one, s.types) },
          { label: s.note, width: 'minmax(0, 2fr)', cell: (one) => one.note, wideOnly: true },
          { label: s.state, cell: (one) => <StateOfAlarm of={one} /> },
          { label: s.reportedAt, width: '12.5rem', cell: (one) => <Moment time={one.at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={s.noAlarms} next={s.noAlarmsNext} />}
      />
      <Details title={s.alarm} opened={open !== undefined} close={() => change({ open: undefined })} query={one}>
        {(one) => <View key={one.id} of={one} />}
      </Details>
    </>
  );
}

function View({ of }: { of: FalseAlarm }) {
  const s = useTexts(inspection);
  return (
    <Stack>
      <Fields
        of={[
          [s.reporter, <Person key="who" id={of.by} link />],
          [s.reportedAt, <Moment key="at" time={of.at} />],
          [s.tool, `${of.connector} / ${of.tool}`],
          [s.request, <Copyable key="request" text={of.correlation} />],
          [s.note, of.note],
          [s.state, s.alarmStates[of.state] ?? of.state],
          [s.decidedBy, of.decided_by && <Person key="by" id={of.decided_by} link />],
          [s.reason, of.reason],
          [s.draft, of.rules && s.version(String(of.rules))],
        ]}
      />
      <Section title={s.takenFor}>
        <SmallTable
          label={s.takenFor}
          head={[s.type, s.direction, s.action, s.rule]}
          rows={of.alarmed.map((one) => ({
            key: `${one.type} ${one.direction} ${one.rule ?? ''}`,
            cells: [
              `${s.types[one.type] ?? one.type} × ${one.count}`,
              s.directions[one.direction] ?? one.direction,
              s.actions[one.action] ?? one.action,
              one.rule ?? '',
            ],
          }))}
        />
      </Section>
      {of.state === 'open' && <Decision of={of} />}
    </Stack>
  );
}

function Decision({ of }: { of: FalseAlarm }) {
  const s = useTexts(inspection);
  const client = useQueryClient();
  const [reason, setReason] = useState('');
  const doing = useMutation({
    mutationFn: (accept: boolean) => {
      const asked = { params: { path: { id: of.id } }, body: { reason } };
      return answer(
        accept
          ? api.POST('/api/v1/false-alarms/{id}/accept', asked)
          : api.POST('/api/v1/false-alarms/{id}/reject', asked),
      );
    },
    onSuccess: (decided) => {
      client.invalidateQueries({ queryKey: [AREA] });
      succeeded(decided.rules ? s.accepted(String(decided.rules)) : s.rejected);
    },
  });
  const unless = reason.trim() === '' ? s.needsReason : undefined;
  return (
    <Section title={s.decide}>
      <Stack gap="xs">
        <Text size="sm">{s.decideLead}</Text>
        <TextInput
          label={s.reason}
          value={reason}
          maxLength={1000}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {doing.error && <ProblemNotice error={doing.error} />}
        <Group gap="xs">
          <GuardedButton area={AREA} unless={unless} loading={doing.isPending} onClick={() => doing.mutate(true)}>
            {s.accept}
          </GuardedButton>
          <GuardedButton
            area={AREA}
            unless={unless}
            variant="default"
            disabled={doing.isPending}
            onClick={() => doing.mutate(false)}
          >
            {s.reject}
          </GuardedButton>
        </Group>
      </Stack>
    </Section>
  );
}
