import { Code, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { accounts } from '../../i18n/accounts.ts';
import { listed, useT, useTexts } from '../../i18n/index.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { Dialog } from '../../parts/Dialog.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { ToButton } from '../../parts/links.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { Waiting } from '../../parts/Waiting.tsx';
import { NewAccount, NewKey } from './NewAccount.tsx';

type Account = Schemas['ServiceAccountView'];

const AREA = 'service-accounts';

export function Accounts() {
  const t = useT();
  const s = useTexts(accounts);
  const [filters, change] = useFilters();
  const { open } = filters;
  const account = useQuery({
    queryKey: [AREA, 'one', open],
    queryFn: () => answer(api.GET('/api/v1/service-accounts/{name}', { params: { path: { name: open ?? '' } } })),
    enabled: open !== undefined,
  });
  const create = (
    <GuardedButton area={AREA} size="xs" onClick={() => change({ new: 'yes' }, 'push')}>
      {s.add}
    </GuardedButton>
  );
  return (
    <>
      <Group justify="end" mb="xs">
        {create}
      </Group>
      <Listing<Account>
        label={t.access.accounts}
        queryKey={[AREA, 'list']}
        fetch={(cursor, signal) =>
          answer(api.GET('/api/v1/service-accounts', { params: { query: { limit: 200, ...(cursor ? { cursor } : {}) } }, signal }))
        }
        rowKey={(account) => account.name}
        open={(account) => change({ open: account.name }, 'push')}
        columns={[
          { label: t.access.name, cell: (account) => account.name },
          { label: t.access.state, width: '7rem', cell: (account) => <AccountMark state={account.state} /> },
          { label: t.access.purpose, cell: (account) => account.purpose, width: 'minmax(0, 1.5fr)', wideOnly: true },
          { label: t.access.owner, cell: (account) => <Person id={account.owner} />, wideOnly: true },
          { label: t.access.expiresAt, width: '12.5rem', cell: (account) => <Moment time={account.expires_at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={t.access.noAccounts} next={s.lead} action={create} />}
      />
      <Details title={open} opened={open !== undefined} close={() => change({ open: undefined })} query={account}>
        {(account) => <AccountView account={account} />}
      </Details>
      <Dialog opened={filters.new === 'yes'} close={() => change({ new: undefined })} title={s.add}>
        <NewAccount done={(name) => change({ new: undefined, open: name })} />
      </Dialog>
    </>
  );
}

function AccountMark({ state }: { state: string }) {
  const t = useT();
  return <Mark tone={state === 'active' ? 'good' : 'warn'}>{t.access.accountStates[state] ?? state}</Mark>;
}

function AccountView({ account }: { account: Account }) {
  const t = useT();
  const s = useTexts(accounts);
  const [making, setMaking] = useState(false);
  const [dialog, confirm] = useConfirm();
  const { name } = account;
  const params = { path: { name } };
  const touches = [AREA];
  const suspend = () =>
    confirm({
      title: t.access.suspendTitle(name),
      consequence: t.access.suspendText,
      verb: t.access.suspend,
      done: t.access.suspended(name),
      danger: true,
      act: () => answer(api.POST('/api/v1/service-accounts/{name}/suspend', { params })),
      touches,
    });
  const resume = () =>
    confirm({
      title: t.access.resumeTitle(name),
      consequence: t.access.resumeText,
      verb: t.access.resume,
      done: t.access.resumed(name),
      act: () => answer(api.POST('/api/v1/service-accounts/{name}/resume', { params })),
      touches,
    });
  return (
    <Stack>
      <Group gap="xs">
        {account.state === 'suspended' ? (
          <GuardedButton area={AREA} size="xs" onClick={resume}>
            {t.access.resume}
          </GuardedButton>
        ) : (
          <GuardedButton area={AREA} size="xs" color="red.8" onClick={suspend}>
            {t.access.suspend}
          </GuardedButton>
        )}
        <ToButton to="/access" search={{ tab: 'reach', principal: `service:${name}` }}>
          {t.access.effective}
        </ToButton>
        <ToButton to="/access" search={{ tab: 'stops', stop: 'service_account', of: name }}>
          {t.access.stop}
        </ToButton>
      </Group>
      <Fields
        of={[
          [t.access.state, <AccountMark key="state" state={account.state} />],
          [t.access.owner, <Person key="owner" id={account.owner} link />],
          [t.access.purpose, account.purpose],
          [t.access.groups, listed(account.groups)],
          [t.access.environments, listed(account.environments.map((one) => t.environments[one] ?? one))],
          [t.access.networks, listed(account.networks)],
          [t.access.scopes, listed(account.scopes)],
          [t.access.expiresAt, <Moment key="ends" time={account.expires_at} />],
        ]}
      />
      <Section title={t.access.keys}>
        <Keys account={name} />
        <Group>
          <GuardedButton area={AREA} size="xs" variant="default" onClick={() => setMaking(true)}>
            {s.addKey}
          </GuardedButton>
        </Group>
      </Section>
      <Dialog opened={making} close={() => setMaking(false)} title={s.addKey}>
        <NewKey account={account} close={() => setMaking(false)} />
      </Dialog>
      {dialog}
    </Stack>
  );
}

function Keys({ account }: { account: string }) {
  const t = useT();
  const [dialog, confirm] = useConfirm();
  const keys = useQuery({
    queryKey: [AREA, 'keys', account],
    queryFn: () => answer(api.GET('/api/v1/service-accounts/{name}/keys', { params: { path: { name: account } } })),
  });
  if (keys.error) return <ProblemNotice error={keys.error} />;
  if (!keys.data) return <Waiting />;
  if (keys.data.items.length === 0) return <Text size="sm">{t.access.noKeys}</Text>;
  const revoke = (id: string) =>
    confirm({
      title: t.access.revokeKeyTitle,
      consequence: t.access.revokeKeyText,
      verb: t.access.revokeKey,
      done: t.access.keyRevoked,
      typed: id,
      danger: true,
      act: () =>
        answer(api.DELETE('/api/v1/service-accounts/{name}/keys/{key}', { params: { path: { name: account, key: id } } })),
      touches: [AREA],
    });
  return (
    <>
      <SmallTable
        label={t.access.keys}
        head={[t.access.id, t.access.state, t.access.expiresAt, t.access.lastUsed, '']}
        rows={keys.data.items.map((key) => ({
          key: key.id,
          cells: [
            <Code key="id">{key.id}</Code>,
            t.access.keyStates[key.state] ?? key.state,
            <Moment key="ends" time={key.expires_at} />,
            <Moment key="used" time={key.last_used_at} />,
            key.state === 'active' && (
              <GuardedButton key="revoke" area={AREA} size="compact-xs" variant="default" onClick={() => revoke(key.id)}>
                {t.access.revokeKey}
              </GuardedButton>
            ),
          ],
        }))}
      />
      {dialog}
    </>
  );
}
