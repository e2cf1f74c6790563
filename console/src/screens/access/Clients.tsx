import { Group, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { clients } from '../../i18n/clients.ts';
import { listed, useT, useTexts } from '../../i18n/index.tsx';
import { Copyable } from '../../parts/Copyable.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { Dialog } from '../../parts/Dialog.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { ToButton } from '../../parts/links.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Section } from '../../parts/Section.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { GrantTable } from './Grants.tsx';
import { NewClient } from './NewClient.tsx';

type Client = Schemas['ClientView'];

const TONES: Record<string, Tone> = { approved: 'good', pending: 'warn', denied: 'bad' };

export function Clients() {
  const t = useT();
  const s = useTexts(clients);
  const [filters, change] = useFilters();
  const { open } = filters;
  const client = useQuery({
    queryKey: ['clients', 'one', open],
    queryFn: () => answer(api.GET('/api/v1/clients/{id}', { params: { path: { id: open ?? '' } } })),
    enabled: open !== undefined,
  });
  const add = (
    <GuardedButton area="clients" size="xs" onClick={() => change({ new: 'yes' }, 'push')}>
      {s.add}
    </GuardedButton>
  );
  return (
    <>
      <Group justify="end" mb="xs">
        {add}
      </Group>
      <Listing<Client>
        label={t.access.clients}
        queryKey={['clients', 'list']}
        fetch={(cursor, signal) =>
          answer(api.GET('/api/v1/clients', { params: { query: { limit: 200, ...(cursor ? { cursor } : {}) } }, signal }))
        }
        rowKey={(client) => client.id}
        open={(client) => change({ open: client.id }, 'push')}
        columns={[
          { label: t.access.name, cell: (client) => client.name },
          { label: t.access.state, width: '8rem', cell: (client) => <ClientMark status={client.status} /> },
          { label: t.access.clientId, cell: (client) => client.id, width: 'minmax(0, 2fr)', wideOnly: true },
          { label: t.access.clientKind, width: '9rem', cell: (client) => client.kind, wideOnly: true },
          { label: t.access.createdAt, width: '12.5rem', cell: (client) => <Moment time={client.created_at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={t.access.noClients} next={t.access.noClientsNext} action={add} />}
      />
      <Details title={client.data?.name} opened={open !== undefined} close={() => change({ open: undefined })} query={client}>
        {(client) => <ClientView client={client} />}
      </Details>
      <Dialog opened={filters.new === 'yes'} close={() => change({ new: undefined })} title={s.addTitle}>
        <NewClient done={(id) => change({ new: undefined, open: id })} />
      </Dialog>
    </>
  );
}

function ClientMark({ status }: { status: string }) {
  const t = useT();
  return <Mark tone={TONES[status] ?? 'plain'}>{t.access.clientStates[status] ?? status}</Mark>;
}

function ClientView({ client }: { client: Client }) {
  const t = useT();
  const [dialog, confirm] = useConfirm();
  const { id, name } = client;
  const params = { path: { id } };
  const touches = ['clients', 'grants'];
  const approve = () =>
    confirm({
      title: t.access.approveClientTitle(name),
      consequence: t.access.approveClientText,
      verb: t.access.approveClient,
      done: t.access.clientApproved(name),
      act: () => answer(api.POST('/api/v1/clients/{id}/approve', { params })),
      touches,
    });
  const deny = () =>
    confirm({
      title: t.access.denyClientTitle(name),
      consequence: t.access.denyClientText,
      verb: t.access.denyClient,
      done: t.access.clientDenied(name),
      danger: true,
      act: () => answer(api.POST('/api/v1/clients/{id}/deny', { params })),
      touches,
    });
  return (
    <Stack>
      <Group gap="xs">
        {client.status !== 'approved' && (
          <GuardedButton area="clients" size="xs" onClick={approve}>
            {t.access.approveClient}
          </GuardedButton>
        )}
        {client.status !== 'denied' && (
          <GuardedButton area="clients" size="xs" color="red.8" onClick={deny}>
            {t.access.denyClient}
          </GuardedButton>
        )}
        <ToButton to="/access" search={{ tab: 'stops', stop: 'client', of: id }}>
          {t.access.stop}
        </ToButton>
      </Group>
      <Fields
        of={[
          [t.access.state, <ClientMark key="state" status={client.status} />],
          [t.access.clientId, <Copyable key="id" text={id} />],
          [t.access.clientKind, client.kind],
          [t.access.redirects, client.redirect_uris.join('\n')],
          [t.access.scopes, client.scopes && listed(client.scopes)],
          [t.access.createdAt, <Moment key="created" time={client.created_at} />],
          [t.access.expiresAt, client.expires_at && <Moment key="ends" time={client.expires_at} />],
        ]}
      />
      <Section title={t.access.grants}>
        <GrantTable of={{ client: id }} />
      </Section>
      {dialog}
    </Stack>
  );
}
