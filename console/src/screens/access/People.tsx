import { Group, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { listed, useT } from '../../i18n/index.tsx';
import { Copyable } from '../../parts/Copyable.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { FilterBar } from '../../parts/FilterBar.tsx';
import { clean, useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { ToButton } from '../../parts/links.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { ActiveMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Section } from '../../parts/Section.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { GrantTable } from './Grants.tsx';
import { Sessions } from './Sessions.tsx';

type User = Schemas['UserView'];

const TOUCHES = ['people', 'sessions', 'grants'];

export function People() {
  const t = useT();
  const [filters, change] = useFilters();
  const asked = {
    ...clean({ text: filters.text, group: filters.group }),
    ...(filters.active ? { active: filters.active === 'yes' } : {}),
  };
  return (
    <>
      <FilterBar
        filters={[
          { kind: 'text', name: 'text', label: t.access.text, wide: true },
          {
            kind: 'choice',
            name: 'active',
            label: t.access.state,
            any: t.common.all,
            choices: [
              { value: 'yes', label: t.access.active },
              { value: 'no', label: t.access.inactive },
            ],
          },
        ]}
      />
      <Listing<User>
        label={t.access.people}
        queryKey={['people', 'users', asked]}
        fetch={(cursor, signal) =>
          answer(api.GET('/api/v1/users', { params: { query: { ...asked, limit: 200, ...(cursor ? { cursor } : {}) } }, signal }))
        }
        rowKey={(user) => user.id}
        open={(user) => change({ open: user.id }, 'push')}
        columns={[
          { label: t.access.name, cell: (user) => user.display_name },
          {
            label: t.access.state,
            width: '6.5rem',
            cell: (user) => <ActiveMark active={user.active} words={[t.access.active, t.access.inactive]} />,
          },
          { label: t.access.userName, cell: (user) => user.user_name, wideOnly: true },
          { label: t.access.department, cell: (user) => user.department ?? '–', wideOnly: true },
          { label: t.access.source, cell: (user) => t.sources[user.source] ?? user.source, wideOnly: true },
        ]}
        empty={<EmptyState title={t.access.noPeople} next={t.access.noPeopleNext} />}
      />
      <UserDrawer id={filters.open} close={() => change({ open: undefined })} />
    </>
  );
}

function UserDrawer({ id, close }: { id: string | undefined; close: () => void }) {
  const user = useQuery({
    queryKey: ['people', 'user', id],
    queryFn: () => answer(api.GET('/api/v1/users/{id}', { params: { path: { id: id ?? '' } } })),
    enabled: id !== undefined,
  });
  return (
    <Details title={user.data?.display_name} opened={id !== undefined} close={close} query={user}>
      {(user) => <UserView user={user} />}
    </Details>
  );
}

function UserView({ user }: { user: User }) {
  const t = useT();
  return (
    <Stack>
      <UserActions user={user} />
      <Fields
        of={[
          [t.access.state, <ActiveMark key="state" active={user.active} words={[t.access.active, t.access.inactive]} />],
          [t.access.userName, user.user_name],
          [t.access.id, <Copyable key="id" text={user.id} />],
          [t.access.mail, listed(user.emails)],
          [t.access.department, user.department],
          [t.access.employment, user.employment],
          [t.access.groups, user.groups && listed(user.groups)],
          [t.access.source, t.sources[user.source] ?? user.source],
          [t.access.provider, user.provider],
          [t.access.createdAt, <Moment key="created" time={user.created_at} />],
          [t.access.changedAt, <Moment key="changed" time={user.updated_at} />],
        ]}
      />
      <Section title={t.access.sessions}>
        <Sessions user={user.id} active={user.active} />
      </Section>
      <Section title={t.access.grants}>
        <GrantTable of={{ subject: user.id }} />
      </Section>
      <Group gap="xs">
        <ToButton to="/access" search={{ tab: 'reach', principal: user.id }}>
          {t.access.effective}
        </ToButton>
        <ToButton to="/access" search={{ tab: 'stops', stop: 'user', of: user.id }}>
          {t.access.stop}
        </ToButton>
        <ToButton to="/audit" search={{ user: user.id }}>
          {t.access.records}
        </ToButton>
      </Group>
    </Stack>
  );
}

function UserActions({ user }: { user: User }) {
  const t = useT();
  const [dialog, confirm] = useConfirm();
  const name = user.display_name;
  const params = { path: { id: user.id } };
  const deactivate = () =>
    confirm({
      title: t.access.deactivateTitle(name),
      consequence: t.access.deactivateText,
      verb: t.access.deactivate,
      done: t.access.deactivated(name),
      danger: true,
      act: () => answer(api.POST('/api/v1/users/{id}/deactivate', { params })),
      touches: TOUCHES,
    });
  const activate = () =>
    confirm({
      title: t.access.activateTitle(name),
      consequence: t.access.activateText,
      verb: t.access.activate,
      done: t.access.activated(name),
      act: () => answer(api.POST('/api/v1/users/{id}/activate', { params })),
      touches: TOUCHES,
    });
  const endAccess = () =>
    confirm({
      title: t.access.endAccessTitle(name),
      consequence: t.access.endAccessText,
      verb: t.access.endAccess,
      done: t.access.accessEnded(name),
      danger: true,
      act: () => answer(api.POST('/api/v1/users/{id}/end-access', { params })),
      touches: TOUCHES,
    });
  return (
    <Group gap="xs">
      {user.active ? (
        <GuardedButton area="people" size="xs" color="red.8" onClick={deactivate}>
          {t.access.deactivate}
        </GuardedButton>
      ) : (
        <GuardedButton area="people" size="xs" onClick={activate}>
          {t.access.activate}
        </GuardedButton>
      )}
      <GuardedButton area="people" size="xs" variant="default" onClick={endAccess}>
        {t.access.endAccess}
      </GuardedButton>
      {dialog}
    </Group>
  );
}
