import { Button, Checkbox, Group, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { answer, api } from '../../api/client.ts';
import { clients } from '../../i18n/clients.ts';
import { useTexts } from '../../i18n/index.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';

/** Registers a client that can't do so itself. */
export function NewClient({ done }: { done: (id: string) => void }) {
  const s = useTexts(clients);
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [redirects, setRedirects] = useState('');
  const [account, setAccount] = useState('');
  const [keys, setKeys] = useState('');
  const [scopes, setScopes] = useState(['mcp:read', 'mcp:write']);
  const redirect_uris = redirects.split('\n').map((line) => line.trim()).filter(Boolean);
  const creating = useMutation({
    mutationFn: () =>
      answer(
        api.POST('/api/v1/clients', {
          body: {
            name: name.trim(),
            redirect_uris,
            scopes,
            ...(account.trim() ? { service_account: account.trim() } : {}),
            ...(keys.trim() ? { jwks_uri: keys.trim() } : {}),
          },
        }),
      ),
    onSuccess: (created) => {
      client.invalidateQueries({ queryKey: ['clients'] });
      succeeded(s.created(created.name));
      done(created.id);
    },
  });
  const ready = name.trim() !== '' && scopes.length > 0 && (redirect_uris.length > 0 || account.trim() !== '');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) creating.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Text size="sm">{s.lead}</Text>
        <TextInput label={s.name} required data-autofocus value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <Textarea
          label={s.redirects}
          description={s.redirectsHint}
          placeholder="https://agent.example.co.jp/callback"
          autosize
          minRows={2}
          value={redirects}
          onChange={(event) => setRedirects(event.currentTarget.value)}
        />
        <TextInput label={s.account} description={s.accountHint} value={account} onChange={(event) => setAccount(event.currentTarget.value)} />
        <TextInput label={s.keys} description={s.keysHint} type="url" value={keys} onChange={(event) => setKeys(event.currentTarget.value)} />
        <Checkbox.Group label={s.scopes} value={scopes} onChange={setScopes}>
          <Group gap="md" mt={4}>
            {Object.entries(s.scopeNames).map(([scope, label]) => (
              <Checkbox key={scope} value={scope} label={label} size="sm" />
            ))}
          </Group>
        </Checkbox.Group>
        {creating.error && <ProblemNotice error={creating.error} />}
        <Button type="submit" disabled={!ready} loading={creating.isPending}>
          {s.create}
        </Button>
      </Stack>
    </form>
  );
}
