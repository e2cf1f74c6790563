import { ActionIcon, Button, Checkbox, Group, NativeSelect, NumberInput, SimpleGrid, Stack, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { answer, api } from '../../api/client.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { connectors } from '../../i18n/connectors.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { ListInput } from '../../parts/ListInput.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import './connectors.css';
import { type SecretRef, type Settings, type Transport, credentialsIn } from './connectorSettings.ts';

const choices = (words: Record<string, string>) => Object.entries(words).map(([value, label]) => ({ value, label }));

/** Saves the settings of a connector, new or not. */
export function useSaving(done: (name: string) => void) {
  const s = useTexts(connectors);
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ name, settings }: { name: string; settings: Settings }) =>
      answer(
        api.PUT('/api/v1/connectors/{connector}', { params: { path: { connector: name } }, body: settings as never }),
      ),
    onSuccess: (saved) => {
      client.invalidateQueries({ queryKey: ['catalog'] });
      succeeded(s.saved(saved.name));
      done(saved.name);
    },
  });
}

/** Changes what there is. */
export function ConnectorForm({ name, settings, done }: { name: string; settings: Settings; done: (name: string) => void }) {
  const s = useTexts(connectors);
  const [now, setNow] = useState(settings);
  const saving = useSaving(done);
  const part = (change: Partial<Settings>) => setNow((before) => ({ ...before, ...change }));
  const missing = now.title.trim() === '' || !reached(now.transport);
  return (
    <Stack gap="sm">
      <TextInput label={s.title} required value={now.title} onChange={(event) => part({ title: event.currentTarget.value })} />
      <TransportFields of={now.transport} change={(transport) => part({ transport })} />
      <CommonFields of={now} change={part} />
      {saving.error && <ProblemNotice error={saving.error} />}
      <Group justify="end">
        <GuardedButton
          area="catalog"
          loading={saving.isPending}
          unless={missing ? s.missing : undefined}
          onClick={() => saving.mutate({ name, settings: now })}
        >
          {s.change}
        </GuardedButton>
      </Group>
    </Stack>
  );
}

const reached = (transport: Transport) => Boolean((transport.kind === 'stdio' ? transport.command : transport.url)?.trim());

/** Where it is, and what it is told. */
function TransportFields({ of, change }: { of: Transport; change: (transport: Transport) => void }) {
  const s = useTexts(connectors);
  const where = credentialsIn(of);
  const part = (changed: Partial<Transport>) => change({ ...of, ...changed });
  return (
    <>
      {of.kind === 'stdio' ? (
        <>
          <TextInput label={s.command} required value={of.command ?? ''} onChange={(event) => part({ command: event.currentTarget.value })} />
          <Textarea
            label={s.args}
            autosize
            minRows={1}
            maxRows={8}
            defaultValue={(of.args ?? []).join('\n')}
            onChange={(event) => part({ args: event.currentTarget.value.split('\n').filter((line) => line !== '') })}
          />
        </>
      ) : (
        <>
          <TextInput label={s.url} type="url" required value={of.url ?? ''} onChange={(event) => part({ url: event.currentTarget.value })} />
          <Checkbox
            label={s.privateNetwork}
            checked={of.allow_private_network ?? false}
            onChange={(event) => part({ allow_private_network: event.currentTarget.checked })}
          />
        </>
      )}
      <Credentials label={s[where]} of={of[where] ?? {}} change={(credentials) => part({ [where]: credentials })} />
    </>
  );
}

interface Row {
  name: string;
  from: string;
  text: string;
}

function rowOf([name, value]: [string, SecretRef]): Row {
  if (value === null) return { name, from: 'kept', text: '' };
  const [[from, text] = ['value', '']] = Object.entries(value);
  return { name, from, text };
}

const refOf = ({ from, text }: Row): SecretRef => (from === 'kept' ? null : ({ [from]: text } as SecretRef));

/** Headers or variables. Of secrets only where they are. */
function Credentials({ label, of, change }: { label: string; of: Record<string, SecretRef>; change: (of: Record<string, SecretRef>) => void }) {
  const s = useTexts(connectors);
  const [rows, setRows] = useState<Row[]>(() => Object.entries(of).map(rowOf));
  const [kept] = useState(() => new Set(rows.filter((row) => row.from === 'kept').map((row) => row.name)));
  const set = (next: Row[]) => {
    setRows(next);
    change(Object.fromEntries(next.filter((row) => row.name.trim()).map((row) => [row.name.trim(), refOf(row)])));
  };
  const edit = (place: number, changed: Partial<Row>) =>
    set(rows.map((row, at) => (at === place ? { ...row, ...changed } : row)));
  return (
    <fieldset className="rows">
      <legend>{label}</legend>
      {rows.map((row, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a row is its place
        <Group key={place} gap="xs" wrap="nowrap" align="end">
          <TextInput
            flex={1}
            size="xs"
            aria-label={`${label} ${place + 1}: ${s.credentialName}`}
            placeholder={s.credentialName}
            value={row.name}
            onChange={(event) => edit(place, { name: event.currentTarget.value })}
          />
          <NativeSelect
            size="xs"
            aria-label={`${label} ${place + 1}: ${s.credentialFrom}`}
            data={choices(s.froms).filter((one) => one.value !== 'kept' || kept.has(row.name))}
            value={row.from}
            onChange={(event) => edit(place, { from: event.currentTarget.value, text: '' })}
          />
          <TextInput
            flex={1}
            size="xs"
            disabled={row.from === 'kept'}
            aria-label={`${label} ${place + 1}: ${s.credentialValue}`}
            placeholder={row.from === 'kept' ? '' : s.credentialValue}
            value={row.text}
            onChange={(event) => edit(place, { text: event.currentTarget.value })}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={s.removeCredential(row.name)}
            onClick={() => set(rows.filter((_, at) => at !== place))}
          >
            <IconTrash size={16} />
          </ActionIcon>
        </Group>
      ))}
      <Button size="compact-xs" variant="default" onClick={() => set([...rows, { name: '', from: 'env', text: '' }])}>
        {s.addCredential}
      </Button>
    </fieldset>
  );
}

/** What policies and inspection go by, and its limits. */
export function CommonFields({ of, change }: { of: Settings; change: (change: Partial<Settings>) => void }) {
  const t = useT();
  const s = useTexts(connectors);
  // What follows from something else is not said.
  const chosen = (name: 'exposure' | 'trust') => ({
    value: of[name] ?? '',
    onChange: (event: { currentTarget: { value: string } }) => change({ [name]: event.currentTarget.value || undefined }),
  });
  return (
    <>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        <NativeSelect
          label={s.environment}
          data={choices(t.environments)}
          value={of.environment ?? 'production'}
          onChange={(event) => change({ environment: event.currentTarget.value })}
        />
        <ListInput label={s.dataClasses} hint={s.dataClassesHint} value={of.data_classes ?? []} change={(data_classes) => change({ data_classes })} />
      </SimpleGrid>
      <NativeSelect label={s.exposure} data={choices(s.exposures)} {...chosen('exposure')} />
      <NativeSelect label={s.trust} data={choices(s.trusts)} {...chosen('trust')} />
      <details>
        <summary>{s.more}</summary>
        <Stack gap="xs" mt="xs">
          <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
            <NativeSelect
              label={s.protocol}
              data={choices(s.protocols)}
              value={of.protocol ?? 'auto'}
              onChange={(event) => change({ protocol: event.currentTarget.value })}
            />
            <NumberInput
              label={s.timeout}
              min={1}
              max={3_600}
              value={of.timeout_seconds ?? 120}
              onChange={(value) => change({ timeout_seconds: Number(value) || 120 })}
            />
          </SimpleGrid>
          <Checkbox
            label={s.sampling}
            checked={of.allow_sampling ?? false}
            onChange={(event) => change({ allow_sampling: event.currentTarget.checked })}
          />
          <Checkbox label={s.roots} checked={of.allow_roots ?? false} onChange={(event) => change({ allow_roots: event.currentTarget.checked })} />
        </Stack>
      </details>
    </>
  );
}
