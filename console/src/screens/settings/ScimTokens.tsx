import { Button, Code, Group, NumberInput, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT } from '../../i18n/index.tsx';
import { Copyable } from '../../parts/Copyable.tsx';
import { Dialog } from '../../parts/Dialog.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { ActiveMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';

const AREA = 'scim-tokens';
const DAY_MS = 24 * 3_600_000;

export function ScimTokens() {
  const t = useT();
  const [dialog, confirm] = useConfirm();
  const [creating, setCreating] = useState(false);
  const [confirming, setConfirming] = useState<string>();
  const revoke = (token: Schemas['ScimTokenView']) =>
    confirm({
      title: t.settings.revokeTitle,
      consequence: t.settings.revokeText,
      verb: t.settings.revoke,
      done: t.settings.tokenRevoked,
      typed: token.provider,
      danger: true,
      act: () => answer(api.DELETE('/api/v1/scim-tokens/{id}', { params: { path: { id: token.id } } })),
      touches: [AREA],
    });
  return (
    <>
      <Group justify="space-between" mb="xs">
        <Text size="sm" component="div">
          {t.settings.scimAddress}: <Copyable text={`${location.origin}/scim/v2`} />
        </Text>
        <GuardedButton area={AREA} size="xs" onClick={() => setCreating(true)}>
          {t.settings.newToken}
        </GuardedButton>
      </Group>
      <Listing<Schemas['ScimTokenView']>
        label={t.settings.scim}
        queryKey={[AREA, 'list']}
        fetch={(cursor, signal) =>
          answer(api.GET('/api/v1/scim-tokens', { params: { query: { limit: 200, ...(cursor ? { cursor } : {}) } }, signal }))
        }
        rowKey={(token) => token.id}
        columns={[
          { label: t.settings.provider, cell: (token) => token.provider },
          { label: t.settings.tokenId, cell: (token) => <Code>{token.id}</Code>, wideOnly: true },
          {
            label: t.access.state,
            width: '7rem',
            cell: (token) =>
              token.state === 'awaiting' ? (
                <Mark tone="warn">{t.access.keyStates.awaiting}</Mark>
              ) : (
                <ActiveMark active={token.state === 'active'} words={[t.settings.works, t.access.keyStates[token.state] ?? token.state]} />
              ),
          },
          { label: t.settings.createdBy, cell: (token) => <Person id={token.created_by} />, wideOnly: true },
          { label: t.settings.expiresAt, width: '12.5rem', cell: (token) => <Moment time={token.expires_at} />, wideOnly: true },
          { label: t.settings.lastUsed, width: '12.5rem', cell: (token) => <Moment time={token.last_used_at} />, wideOnly: true },
          {
            label: t.settings.revoke,
            width: '10rem',
            cell: (token) => (
              <Group gap="xs">
                {token.state === 'awaiting' && (
                  <GuardedButton area="identity-sources" size="compact-xs" onClick={() => setConfirming(token.id)}>
                    {t.settings.confirm}
                  </GuardedButton>
                )}
                {['active', 'awaiting'].includes(token.state) && (
                  <GuardedButton area={AREA} size="compact-xs" variant="default" onClick={() => revoke(token)}>
                    {t.settings.revoke}
                  </GuardedButton>
                )}
              </Group>
            ),
          },
        ]}
        empty={<EmptyState title={t.settings.noTokens} next={t.settings.noTokensNext} />}
      />
      <Dialog opened={creating} close={() => setCreating(false)} title={t.settings.newTokenTitle}>
        <NewToken close={() => setCreating(false)} />
      </Dialog>
      <Dialog opened={confirming !== undefined} close={() => setConfirming(undefined)} title={t.settings.confirmTokenTitle}>
        {confirming !== undefined && <ConfirmToken id={confirming} close={() => setConfirming(undefined)} />}
      </Dialog>
      {dialog}
    </>
  );
}

/** The secret, to whoever may have it. */
function Issued({ secret, close }: { secret: string | null | undefined; close: () => void }) {
  const t = useT();
  return (
    <Stack>
      <Text size="sm">{secret ? t.settings.tokenOnce : t.settings.tokenAwaits}</Text>
      {secret && <Copyable text={secret} block />}
      <Button onClick={close}>{t.common.close}</Button>
    </Stack>
  );
}

function ConfirmToken({ id, close }: { id: string; close: () => void }) {
  const t = useT();
  const client = useQueryClient();
  const confirming = useMutation({
    mutationFn: () => answer(api.POST('/api/v1/scim-tokens/{id}/confirm', { params: { path: { id } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: [AREA] }),
  });
  if (confirming.data) return <Issued secret={confirming.data.secret} close={close} />;
  return (
    <Stack>
      <Text size="sm">{t.settings.confirmTokenLead}</Text>
      {confirming.error && <ProblemNotice error={confirming.error} />}
      <Button loading={confirming.isPending} onClick={() => confirming.mutate()}>
        {t.settings.confirm}
      </Button>
    </Stack>
  );
}

function NewToken({ close }: { close: () => void }) {
  const t = useT();
  const client = useQueryClient();
  const [provider, setProvider] = useState('');
  const [days, setDays] = useState<number | string>(365);
  const creating = useMutation({
    mutationFn: () =>
      answer(
        api.POST('/api/v1/scim-tokens', {
          body: { provider, expires_at: new Date(Date.now() + Number(days) * DAY_MS).toISOString() },
        }),
      ),
    onSuccess: () => client.invalidateQueries({ queryKey: [AREA] }),
  });
  if (creating.data) return <Issued secret={creating.data.secret} close={close} />;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        creating.mutate();
      }}
    >
      <Stack>
        <Text size="sm">{t.settings.newTokenLead}</Text>
        <TextInput
          label={t.settings.provider}
          required
          value={provider}
          onChange={(event) => setProvider(event.currentTarget.value.trim())}
        />
        <NumberInput label={t.settings.days} min={1} max={730} required value={days} onChange={setDays} />
        {creating.error && <ProblemNotice error={creating.error} />}
        <Button type="submit" loading={creating.isPending}>
          {t.settings.create}
        </Button>
      </Stack>
    </form>
  );
}
