import { Button, Group, Stack, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useTexts } from '../../i18n/index.tsx';
import { inspection } from '../../i18n/inspection.ts';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { Listing } from '../../parts/Listing.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { succeeded } from '../../parts/notices.ts';
import { PageHead } from '../../parts/PageHead.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { StateOfAlarm, takenFor } from '../inspection/alarms.tsx';

const KEY = ['own-false-alarms'];

/** Where whoever was stopped says that it was a false alarm, and sees what became of it (GOV-1). */
export default function FalseAlarm() {
  const s = useTexts(inspection);
  return (
    <Stack gap={0} className="fill">
      <PageHead title={s.ownTitle} lead={s.ownLead} />
      <Report />
      <Listing<Schemas['FalseAlarmView']>
        label={s.own}
        queryKey={KEY}
        fetch={(cursor, signal) => {
          const query = { limit: 200, ...(cursor ? { cursor } : {}) };
          return answer(api.GET('/api/v1/me/false-alarms', { params: { query }, signal }));
        }}
        rowKey={(one) => one.id}
        columns={[
          { label: s.takenFor, cell: (one) => takenFor(one, s.types) },
          { label: s.note, width: 'minmax(0, 2fr)', cell: (one) => one.note },
          { label: s.state, cell: (one) => <StateOfAlarm of={one} /> },
          { label: s.reason, cell: (one) => one.reason ?? '', wideOnly: true },
          { label: s.reportedAt, width: '12.5rem', cell: (one) => <Moment time={one.at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={s.ownNone} next={s.noAlarmsNext} />}
      />
    </Stack>
  );
}

function Report() {
  const s = useTexts(inspection);
  const client = useQueryClient();
  const [filters, change] = useFilters();
  const [note, setNote] = useState('');
  const correlation = (filters.request ?? '').trim();
  const sending = useMutation({
    mutationFn: () => answer(api.POST('/api/v1/me/false-alarms', { body: { correlation, note } })),
    onSuccess: () => {
      setNote('');
      change({ request: undefined });
      client.invalidateQueries({ queryKey: KEY });
      succeeded(s.ownSent);
    },
  });
  const ready = correlation !== '' && note.trim() !== '';
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (ready && !sending.isPending) sending.mutate();
      }}
    >
      <Stack gap="sm" maw="40rem" mb="md">
        <TextInput
          label={s.ownRequest}
          description={s.ownRequestHint}
          value={filters.request ?? ''}
          maxLength={64}
          onChange={(event) => change({ request: event.currentTarget.value })}
        />
        <TextInput
          label={s.note}
          description={s.ownNoteHint}
          value={note}
          maxLength={1000}
          onChange={(event) => setNote(event.currentTarget.value)}
        />
        {sending.error && <ProblemNotice error={sending.error} />}
        <Group gap="xs">
          <Button type="submit" loading={sending.isPending} disabled={!ready} {...(ready ? {} : { 'aria-description': s.ownNeeds })}>
            {s.ownSend}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
