import { Group, NativeSelect, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api } from '../../api/client.ts';
import { useTexts } from '../../i18n/index.tsx';
import { providers } from '../../i18n/providers.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';

const BLANK = {
  name: '',
  title: '',
  kind: 'oidc',
  issuer: '',
  client_id: '',
  secret: '',
  entity_id: '',
  sso_url: '',
  certificate: '',
  provisioning: 'existing',
  groups: '',
};
type Filled = typeof BLANK;

/** The lines of a PEM around the certificate say nothing. */
const bare = (certificate: string) => certificate.replace(/-----[^-]+-----|\s/g, '');

/** The settings, as in the configuration file. */
function settingsOf(filled: Filled) {
  const common = {
    kind: filled.kind,
    provisioning: filled.provisioning,
    ...(filled.title ? { title: filled.title } : {}),
    ...(filled.groups ? { groups: { attribute: filled.groups, others: true } } : {}),
  };
  if (filled.kind === 'saml') {
    const { entity_id, sso_url } = filled;
    return { ...common, entity_id, sso_url, certificates: [bare(filled.certificate)] };
  }
  const { issuer, client_id } = filled;
  return { ...common, issuer, client_id, client_secret: { env: filled.secret } };
}

/** Asks for what most identity providers need; the rest is in the configuration file. */
export function ProviderForm({ done }: { done: (name: string) => void }) {
  const s = useTexts(providers);
  const client = useQueryClient();
  const [filled, setFilled] = useState(BLANK);
  const field = (name: keyof Filled) => ({
    value: filled[name],
    onChange: (event: { currentTarget: { value: string } }) => {
      const { value } = event.currentTarget;
      setFilled((before) => ({ ...before, [name]: value.trim() === '' ? '' : value }));
    },
  });
  const saving = useMutation({
    mutationFn: () =>
      answer(
        api.PUT('/api/v1/identity-providers/{name}', {
          params: { path: { name: filled.name.trim() } },
          body: settingsOf(filled) as never,
        }),
      ),
    onSuccess: (saved) => {
      client.invalidateQueries({ queryKey: ['identity-providers'] });
      succeeded(s.saved(saved.name));
      done(saved.name);
    },
  });
  const needed: (keyof Filled)[] =
    filled.kind === 'saml' ? ['name', 'entity_id', 'sso_url', 'certificate'] : ['name', 'issuer', 'client_id', 'secret'];
  const missing = needed.some((name) => filled[name].trim() === '');
  const choices = (words: Record<string, string>) => Object.entries(words).map(([value, label]) => ({ value, label }));
  return (
    <Stack gap="sm">
      <Text size="sm">{s.addLead}</Text>
      <TextInput label={s.name} description={s.nameHint} required data-autofocus {...field('name')} />
      <TextInput label={s.title} {...field('title')} />
      <NativeSelect label={s.kind} data={choices(s.kinds)} {...field('kind')} />
      {filled.kind === 'saml' ? (
        <>
          <TextInput label={s.entityId} required {...field('entity_id')} />
          <TextInput label={s.ssoUrl} required type="url" {...field('sso_url')} />
          <Textarea label={s.certificates} required autosize minRows={3} maxRows={8} {...field('certificate')} />
        </>
      ) : (
        <>
          <TextInput label={s.issuer} required type="url" placeholder="https://login.example.co.jp" {...field('issuer')} />
          <TextInput label={s.clientId} required {...field('client_id')} />
          <TextInput label={s.secretEnv} description={s.secretHint} required placeholder="SEKIMORI_SECRET_CORP" {...field('secret')} />
        </>
      )}
      <NativeSelect label={s.provisioning} data={choices(s.provisionings)} {...field('provisioning')} />
      <TextInput label={s.groups} description={s.groupsHint} {...field('groups')} />
      {saving.error && <ProblemNotice error={saving.error} />}
      <Group justify="end">
        <GuardedButton
          area="identity-providers"
          loading={saving.isPending}
          unless={missing ? s.addLead : undefined}
          onClick={() => saving.mutate()}
        >
          {s.save}
        </GuardedButton>
      </Group>
    </Stack>
  );
}
