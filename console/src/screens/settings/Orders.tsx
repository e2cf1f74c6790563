import { Group, NativeSelect, SimpleGrid, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { configuration } from '../../i18n/configuration.ts';
import { useTexts } from '../../i18n/index.tsx';
import { Dialog } from '../../parts/Dialog.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { succeeded } from '../../parts/notices.ts';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';

type Order = Schemas['RetentionOrder'];
type Kind = 'hold' | 'deletion';

const AREA = 'retention';
const KINDS: Kind[] = ['hold', 'deletion'];
const SELECTED = ['user', 'client', 'connector', 'tool', 'event', 'correlation'] as const;
const TONES: Record<string, Tone> = { proposed: 'warn', in_force: 'info', release_proposed: 'warn', ended: 'plain' };

const choices = (words: Record<string, string>) => Object.entries(words).map(([value, label]) => ({ value, label }));

/** Orders of two persons that records stay, or go, whatever their time. */
export function Orders() {
  const s = useTexts(configuration);
  const [filters, change] = useFilters();
  const found = useQuery({
    queryKey: [AREA, 'orders'],
    queryFn: async () => {
      const ask = (kind: Kind) => answer(api.GET('/api/v1/retention-orders', { params: { query: { kind, limit: 200 } } }));
      const pages = await Promise.all(KINDS.map(ask));
      return pages.flatMap((page) => page.items);
    },
  });
  const orders = found.data ?? [];
  return (
    <Section title={s.orders}>
      <Text size="sm">{s.ordersLead}</Text>
      <Group my="xs">
        <GuardedButton area={AREA} size="xs" onClick={() => change({ new: 'yes' }, 'push')}>
          {s.propose}
        </GuardedButton>
      </Group>
      {found.error && <ProblemNotice error={found.error} />}
      {found.data && orders.length === 0 && <Text size="sm">{s.noOrders}</Text>}
      {orders.length > 0 && (
        <SmallTable
          label={s.orders}
          head={[s.kind, s.state, s.reason, s.selection, s.steps, '']}
          rows={orders.map((one) => ({
            key: one.id,
            cells: [
              s.kinds[one.kind],
              <Mark key="state" tone={TONES[one.state] ?? 'plain'}>
                {s.states[one.state] ?? one.state}
              </Mark>,
              one.reason,
              Object.entries(one.selection)
                .map(([name, value]) => `${s.selections[name] ?? name}: ${value}`)
                .join('\n'),
              <Steps key="steps" of={one} />,
              <Acts key="acts" of={one} />,
            ],
          }))}
        />
      )}
      <Dialog opened={filters.new === 'yes'} close={() => change({ new: undefined })} title={s.proposeTitle}>
        <Propose done={() => change({ new: undefined })} />
      </Dialog>
    </Section>
  );
}

function Steps({ of }: { of: Order }) {
  const s = useTexts(configuration);
  return (
    <ul className="plain-list">
      {of.steps.map((step) => (
        <li key={step.at}>
          {s.acts[step.act] ?? step.act}: <Person id={step.by} /> <Moment time={step.at} /> {step.note}
        </li>
      ))}
    </ul>
  );
}

function Acts({ of }: { of: Order }) {
  const s = useTexts(configuration);
  const [dialog, confirm] = useConfirm();
  const params = { path: { id: of.id } };
  const body = { note: '' };
  const asking = of.state === 'proposed' || of.state === 'release_proposed';
  const ask = (verb: string, danger: boolean, act: () => Promise<unknown>) =>
    confirm({ title: `${verb}: ${of.reason}`, consequence: s.actText, verb, done: s.done, danger, act, touches: [AREA] });
  return (
    <Group gap="xs">
      {asking && (
        <>
          <GuardedButton
            area={AREA}
            size="compact-xs"
            onClick={() =>
              ask(s.agree, of.kind === 'deletion', () => answer(api.POST('/api/v1/retention-orders/{id}/agree', { params, body })))
            }
          >
            {s.agree}
          </GuardedButton>
          <GuardedButton
            area={AREA}
            size="compact-xs"
            variant="default"
            onClick={() => ask(s.refuse, false, () => answer(api.POST('/api/v1/retention-orders/{id}/refuse', { params, body })))}
          >
            {s.refuse}
          </GuardedButton>
        </>
      )}
      {of.state === 'in_force' && of.kind === 'hold' && (
        <GuardedButton
          area={AREA}
          size="compact-xs"
          variant="default"
          onClick={() => ask(s.release, true, () => answer(api.POST('/api/v1/retention-orders/{id}/release', { params, body })))}
        >
          {s.release}
        </GuardedButton>
      )}
      {dialog}
    </Group>
  );
}

function Propose({ done }: { done: () => void }) {
  const s = useTexts(configuration);
  const client = useQueryClient();
  const [kind, setKind] = useState<string>('hold');
  const [reason, setReason] = useState('');
  const [selection, setSelection] = useState<Record<string, string>>({});
  const sending = useMutation({
    mutationFn: () => {
      const given = Object.fromEntries(Object.entries(selection).filter(([, value]) => value !== ''));
      return answer(api.POST('/api/v1/retention-orders', { body: { kind, reason: reason.trim(), selection: given as never } }));
    },
    onSuccess: () => {
      client.invalidateQueries({ queryKey: [AREA] });
      succeeded(s.proposed);
      done();
    },
  });
  const missing = reason.trim() === '' || Object.values(selection).every((value) => value === '');
  return (
    <Stack gap="sm">
      <Text size="sm">{s.ordersLead}</Text>
      <NativeSelect label={s.kind} data={choices(s.kinds)} value={kind} onChange={(event) => setKind(event.currentTarget.value)} />
      <Textarea label={s.reason} required autosize minRows={2} value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        {SELECTED.map((name) => (
          <TextInput
            key={name}
            label={s.selections[name]}
            value={selection[name] ?? ''}
            onChange={(event) => {
              const { value } = event.currentTarget;
              setSelection((before) => ({ ...before, [name]: value.trim() }));
            }}
          />
        ))}
      </SimpleGrid>
      {sending.error && <ProblemNotice error={sending.error} />}
      <Group justify="end">
        <GuardedButton area={AREA} loading={sending.isPending} unless={missing ? `${s.reason} / ${s.selection}` : undefined} onClick={() => sending.mutate()}>
          {s.send}
        </GuardedButton>
      </Group>
    </Stack>
  );
}
