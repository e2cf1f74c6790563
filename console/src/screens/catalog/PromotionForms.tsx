import { Group, NativeSelect, Stack, Text, Textarea } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useTexts } from '../../i18n/index.tsx';
import { promotions } from '../../i18n/promotions.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { useGo } from '../../parts/links.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';

type Connector = Schemas['ConnectorView'];

/** The environment that comes after. */
const NEXT: Record<string, string> = { development: 'staging', staging: 'production' };

function useConnectors(): { all: Connector[]; error: Error | null } {
  const found = useQuery({
    queryKey: ['catalog', 'environments'],
    queryFn: () => answer(api.GET('/api/v1/connectors', { params: { query: { limit: 200 } } })),
  });
  return { all: found.data?.items ?? [], error: found.error };
}

const choices = (none: string, connectors: Connector[]) => [
  { value: '', label: none },
  ...connectors.map((one) => ({ value: one.name, label: one.title ? `${one.title} (${one.name})` : one.name })),
];

/** Proposes what one connector has for the one that stands for the same system in the next environment. */
export function PromoteConnector({ done }: { done: (id: string) => void }) {
  const s = useTexts(promotions);
  const client = useQueryClient();
  const { all, error } = useConnectors();
  const [from, setFrom] = useState('');
  const [to, setTo] = useState('');
  const [reason, setReason] = useState('');
  const next = NEXT[all.find((one) => one.name === from)?.environment ?? ''];
  const targets = all.filter((one) => one.environment === next);
  const proposing = useMutation({
    mutationFn: () => answer(api.POST('/api/v1/promotions', { body: { from, to, reason: reason.trim() } })),
    onSuccess: (made) => {
      client.invalidateQueries({ queryKey: ['catalog'] });
      succeeded(s.proposed);
      done(made.id);
    },
  });
  const ready = from !== '' && to !== '' && reason.trim() !== '';
  return (
    <Stack gap="sm">
      <Text size="sm">{s.proposeText}</Text>
      {error && <ProblemNotice error={error} />}
      <NativeSelect
        label={s.from}
        required
        data={choices(s.choose, all.filter((one) => one.environment in NEXT))}
        value={from}
        onChange={(event) => {
          setFrom(event.currentTarget.value);
          setTo('');
        }}
      />
      <NativeSelect
        label={s.to}
        required
        data={choices(s.choose, targets)}
        disabled={from === ''}
        value={to}
        onChange={(event) => setTo(event.currentTarget.value)}
      />
      {from !== '' && targets.length === 0 && <Text size="sm">{s.noNext}</Text>}
      <Textarea label={s.reason} required autosize minRows={2} value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
      {proposing.error && <ProblemNotice error={proposing.error} />}
      <Group justify="end">
        <GuardedButton area="catalog" unless={ready ? undefined : s.missing} loading={proposing.isPending} onClick={() => proposing.mutate()}>
          {s.send}
        </GuardedButton>
      </Group>
    </Stack>
  );
}

/** Saves a draft in which roles grant in the next environment what they grant in this one. */
export function PromoteRoles() {
  const s = useTexts(promotions);
  const client = useQueryClient();
  const go = useGo();
  const { all, error } = useConnectors();
  const [from, setFrom] = useState('development');
  const [pairs, setPairs] = useState<Record<string, string>>({});
  const to = NEXT[from] ?? '';
  const sources = all.filter((one) => one.environment === from);
  const targets = choices(s.noCounterpart, all.filter((one) => one.environment === to));
  const saving = useMutation({
    mutationFn: () => {
      const connectors = Object.fromEntries(Object.entries(pairs).filter(([, other]) => other !== ''));
      return answer(api.POST('/api/v1/promotions/roles', { body: { from, to, connectors } }));
    },
    onSuccess: (draft) => {
      client.invalidateQueries({ queryKey: ['policies'] });
      succeeded(s.saved);
      go('/policies', { tab: 'versions', open: String(draft.version) });
    },
  });
  return (
    <Stack gap="sm">
      <Text size="sm">{s.rolesText}</Text>
      {error && <ProblemNotice error={error} />}
      <NativeSelect
        label={s.step}
        data={Object.entries(s.steps).map(([value, label]) => ({ value, label }))}
        value={from}
        onChange={(event) => {
          setFrom(event.currentTarget.value);
          setPairs({});
        }}
      />
      {sources.map(({ name }) => (
        <NativeSelect
          key={name}
          label={s.counterpart(name)}
          data={targets}
          value={pairs[name] ?? ''}
          onChange={(event) => {
            const { value } = event.currentTarget;
            setPairs((before) => ({ ...before, [name]: value }));
          }}
        />
      ))}
      {saving.error && <ProblemNotice error={saving.error} />}
      <Group justify="end">
        <GuardedButton area="policies" loading={saving.isPending} onClick={() => saving.mutate()}>
          {s.saveDraft}
        </GuardedButton>
      </Group>
    </Stack>
  );
}
