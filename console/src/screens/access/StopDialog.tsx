import { Button, Group, NativeSelect, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api } from '../../api/client.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { stops } from '../../i18n/stops.ts';
import { Dialog } from '../../parts/Dialog.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';

const HOUR_MS = 3_600_000;
const REASON_MAX = 500;
const ENDS = ['never', '1', '8', '24', '168'];

interface Props {
  /** What kind of thing is to be stopped; nothing is asked without it. */
  kind: string | undefined;
  id: string | undefined;
  close: () => void;
}

/** Asks what is to be stopped and why, and stops it. */
export function StopDialog({ kind, id, close }: Props) {
  const s = useTexts(stops);
  return (
    <Dialog opened={kind !== undefined} close={close} title={s.engageTitle}>
      {kind !== undefined && <StopForm kind={kind} id={id ?? ''} close={close} />}
    </Dialog>
  );
}

function StopForm({ kind: first, id: given, close }: { kind: string; id: string; close: () => void }) {
  const t = useT();
  const s = useTexts(stops);
  const client = useQueryClient();
  const [kind, setKind] = useState(first in s.kinds ? first : 'connector');
  const [id, setId] = useState(given);
  const [reason, setReason] = useState('');
  const [contact, setContact] = useState('');
  const [end, setEnd] = useState('never');
  const [typed, setTyped] = useState('');
  const everything = kind === 'all';
  const stopping = useMutation({
    mutationFn: () =>
      answer(
        api.POST('/api/v1/kill-switches', {
          body: {
            scope: everything ? { kind } : { kind, id: id.trim() },
            reason: reason.trim(),
            ...(contact.trim() ? { contact: contact.trim() } : {}),
            ...(end === 'never' ? {} : { ends_at: new Date(Date.now() + Number(end) * HOUR_MS).toISOString() }),
          },
        }),
      ),
    onSuccess: () => {
      client.invalidateQueries({ queryKey: ['kill-switches'] });
      succeeded(s.stopped([s.kinds[kind], everything ? '' : id.trim()].filter(Boolean).join(' ')));
      close();
    },
  });
  const ready = reason.trim() !== '' && (everything ? typed === s.word : id.trim() !== '');
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) stopping.mutate();
      }}
    >
      <Stack gap="sm">
        <NativeSelect
          label={s.kind}
          value={kind}
          data={Object.entries(s.kinds).map(([value, label]) => ({ value, label }))}
          onChange={(event) => setKind(event.currentTarget.value)}
        />
        {!everything && (
          <TextInput label={s.ids[kind] ?? kind} required data-autofocus={given === '' || undefined} value={id} onChange={(event) => setId(event.currentTarget.value)} />
        )}
        <Textarea
          label={s.reason}
          description={s.reasonHint}
          required
          autosize
          minRows={2}
          data-autofocus={given !== '' || undefined}
          maxLength={REASON_MAX}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        <TextInput
          label={s.contact}
          description={s.contactHint}
          value={contact}
          onChange={(event) => setContact(event.currentTarget.value)}
        />
        <NativeSelect
          label={s.end}
          value={end}
          data={ENDS.map((value) => ({ value, label: s.ends[value] ?? value }))}
          onChange={(event) => setEnd(event.currentTarget.value)}
        />
        <Text size="sm">{everything ? s.everything : s.something}</Text>
        {everything && (
          <TextInput
            label={t.common.typeToConfirm(s.word)}
            value={typed}
            autoComplete="off"
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
        )}
        {stopping.error && <ProblemNotice error={stopping.error} />}
        <Group justify="end">
          <Button variant="default" onClick={close}>
            {t.common.cancel}
          </Button>
          <Button type="submit" color="red.8" disabled={!ready} loading={stopping.isPending}>
            {s.stop}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
