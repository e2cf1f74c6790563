import { Button, Checkbox, Group, NumberInput, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { ENVIRONMENTS } from '../../api/roles.ts';
import { accounts } from '../../i18n/accounts.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { Copyable } from '../../parts/Copyable.tsx';
import { ListInput } from '../../parts/ListInput.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';

const AREA = 'service-accounts';
const DAY_MS = 24 * 3_600_000;

/** Makes an account for a program. */
export function NewAccount({ done }: { done: (name: string) => void }) {
  const t = useT();
  const s = useTexts(accounts);
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [owner, setOwner] = useState('');
  const [purpose, setPurpose] = useState('');
  const [groups, setGroups] = useState<string[]>([]);
  const [environments, setEnvironments] = useState<string[]>(['production']);
  const [networks, setNetworks] = useState<string[]>([]);
  const [days, setDays] = useState<number | string>(180);
  const creating = useMutation({
    mutationFn: () =>
      answer(
        api.POST('/api/v1/service-accounts', {
          body: {
            name: name.trim(),
            owner: owner.trim(),
            purpose: purpose.trim(),
            groups,
            environments,
            networks,
            expires_at: new Date(Date.now() + Number(days) * DAY_MS).toISOString(),
          },
        }),
      ),
    onSuccess: (created) => {
      client.invalidateQueries({ queryKey: [AREA] });
      succeeded(s.created(created.name));
      done(created.name);
    },
  });
  const ready = [name, owner, purpose, String(days)].every((one) => one.trim() !== '') && environments.length > 0;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) creating.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Text size="sm">{s.lead}</Text>
        <TextInput label={s.name} description={s.nameHint} required data-autofocus value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <TextInput label={s.owner} description={s.ownerHint} required value={owner} onChange={(event) => setOwner(event.currentTarget.value)} />
        <TextInput label={s.purpose} required value={purpose} onChange={(event) => setPurpose(event.currentTarget.value)} />
        <ListInput label={s.groups} hint={s.commas} value={groups} change={setGroups} />
        <Checkbox.Group label={s.environments} value={environments} onChange={setEnvironments}>
          <Group gap="md" mt={4}>
            {ENVIRONMENTS.map((one) => (
              <Checkbox key={one} value={one} label={t.environments[one]} size="sm" />
            ))}
          </Group>
        </Checkbox.Group>
        <ListInput label={s.networks} hint={s.networksHint} value={networks} change={setNetworks} />
        <NumberInput label={s.days} min={1} max={365} required value={days} onChange={setDays} />
        {creating.error && <ProblemNotice error={creating.error} />}
        <Button type="submit" disabled={!ready} loading={creating.isPending}>
          {s.create}
        </Button>
      </Stack>
    </form>
  );
}

/** Makes a key, and shows it this once. */
export function NewKey({ account, close }: { account: Schemas['ServiceAccountView']; close: () => void }) {
  const t = useT();
  const s = useTexts(accounts);
  const client = useQueryClient();
  const creating = useMutation({
    mutationFn: () =>
      answer(
        api.POST('/api/v1/service-accounts/{name}/keys', {
          params: { path: { name: account.name } },
          body: { expires_at: account.expires_at },
        }),
      ),
    onSuccess: () => client.invalidateQueries({ queryKey: [AREA] }),
  });
  if (creating.data) {
    return (
      <Stack>
        <Text size="sm">{s.keyOnce}</Text>
        <Copyable text={creating.data.secret} block />
        <Button onClick={close}>{t.common.close}</Button>
      </Stack>
    );
  }
  return (
    <Stack>
      <Text size="sm">{s.keyLead}</Text>
      {creating.error && <ProblemNotice error={creating.error} />}
      <Button loading={creating.isPending} onClick={() => creating.mutate()}>
        {s.addKey}
      </Button>
    </Stack>
  );
}
