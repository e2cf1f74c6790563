import { Code, Group, Stack, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { connectors } from '../../i18n/connectors.ts';
import { listed, useT, useTexts } from '../../i18n/index.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { Dialog } from '../../parts/Dialog.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { ToButton } from '../../parts/links.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { ConnectorMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { CheckResult } from './CheckResult.tsx';
import { ConnectorForm } from './ConnectorForm.tsx';
import { settingsOf } from './connectorSettings.ts';
import { LinkedAccounts } from './LinkedAccounts.tsx';
import { NewConnector } from './NewConnector.tsx';

type Connector = Schemas['ConnectorView'];
type ConnectorDetails = Schemas['ConnectorDetails'];

export function Connectors() {
  const t = useT();
  const s = useTexts(connectors);
  const [filters, change] = useFilters();
  const add = (
    <GuardedButton area="catalog" size="xs" onClick={() => change({ new: 'yes' }, 'push')}>
      {s.add}
    </GuardedButton>
  );
  return (
    <>
      <Group justify="end" mb="xs">
        {add}
      </Group>
      <Listing<Connector>
        label={t.catalog.connectors}
        queryKey={['catalog', 'connectors']}
        fetch={(cursor, signal) =>
          answer(api.GET('/api/v1/connectors', { params: { query: cursor ? { cursor } : {} }, signal }))
        }
        rowKey={(connector) => connector.name}
        open={(connector) => change({ open: connector.name }, 'push')}
        columns={[
          { label: t.catalog.title, cell: (connector) => connector.title || connector.name },
          { label: t.catalog.state, width: '7rem', cell: (connector) => <ConnectorMark state={connector.state} /> },
          { label: t.catalog.name, cell: (connector) => connector.name, wideOnly: true },
          {
            label: t.catalog.environment,
            width: '6rem',
            cell: (connector) => t.environments[connector.environment] ?? connector.environment,
            wideOnly: true,
          },
          { label: t.catalog.toolCount, width: '6rem', cell: (connector) => connector.tools },
          {
            label: t.catalog.unreviewed,
            width: '7rem',
            cell: (connector) => (connector.unreviewed > 0 ? <Mark tone="warn">{connector.unreviewed}</Mark> : 0),
          },
          { label: t.catalog.seenAt, width: '12.5rem', cell: (connector) => <Moment time={connector.seen_at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={t.catalog.noConnectors} next={t.catalog.noConnectorsNext} action={add} />}
      />
      <ConnectorDrawer name={filters.open} close={() => change({ open: undefined, edit: undefined })} />
      <Dialog opened={filters.new === 'yes'} close={() => change({ new: undefined })} title={s.addTitle} wide>
        <NewConnector done={(name) => change({ new: undefined, open: name })} />
      </Dialog>
    </>
  );
}

function ConnectorDrawer({ name, close }: { name: string | undefined; close: () => void }) {
  const connector = useQuery({
    queryKey: ['catalog', 'connector', name],
    queryFn: () =>
      answer(api.GET('/api/v1/connectors/{connector}', { params: { path: { connector: name ?? '' } } })),
    enabled: name !== undefined,
  });
  return (
    <Details title={connector.data?.title ?? name} opened={name !== undefined} close={close} query={connector}>
      {(connector) => <ConnectorView of={connector} />}
    </Details>
  );
}

function ConnectorView({ of }: { of: ConnectorDetails }) {
  const t = useT();
  const s = useTexts(connectors);
  const [filters, change] = useFilters();
  return (
    <Stack>
      <Actions of={of} />
      <Fields
        of={[
          [t.catalog.state, <ConnectorMark key="state" state={of.state} />],
          [t.catalog.problem, of.problem],
          [s.breaker, of.breaker && <Breaker key="breaker" state={of.breaker} seconds={of.held_back_seconds} />],
          [t.catalog.name, of.name],
          [t.catalog.environment, t.environments[of.environment]],
          [t.catalog.transport, of.transport],
          [t.catalog.destination, <Code key="destination">{of.destination}</Code>],
          [t.catalog.credentials, listed(of.credentials)],
          [t.catalog.revision, of.revision],
          [t.catalog.seenAt, <Moment key="seen" time={of.seen_at} />],
          [t.catalog.toolCount, String(of.tools)],
          [t.catalog.unreviewed, String(of.unreviewed)],
          [t.catalog.dataClasses, listed(of.data_classes)],
          [t.catalog.timeout, t.catalog.seconds(of.timeout_seconds)],
          [t.catalog.createdAt, <Moment key="created" time={of.created_at} />],
          [t.catalog.rejected, of.rejected.length > 0 && of.rejected.join('\n')],
        ]}
      />
      {of.secrets.length > 0 && <Secrets of={of.secrets} />}
      {settingsOf(of).oauth && <LinkedAccounts connector={of.name} />}
      <Group>
        <ToButton to="/catalog" search={{ connector: of.name }}>
          {t.catalog.showTools}
        </ToButton>
        <ToButton to="/access" search={{ tab: 'stops', stop: 'connector', of: of.name }}>
          {t.access.stop}
        </ToButton>
      </Group>
      <Dialog opened={filters.edit === 'yes'} close={() => change({ edit: undefined })} title={s.editTitle(of.title)} wide>
        <ConnectorForm name={of.name} settings={settingsOf(of)} done={() => change({ edit: undefined })} />
      </Dialog>
    </Stack>
  );
}

/** Whether calls go through, on the node that answers. */
function Breaker({ state, seconds }: { state: string; seconds: number | null | undefined }) {
  const s = useTexts(connectors);
  const shown = state === 'closed' && seconds != null ? 'throttled' : state;
  const tone = shown === 'closed' ? 'good' : shown === 'open' ? 'bad' : 'warn';
  return (
    <>
      <Mark tone={tone}>{s.breakers[shown] ?? shown}</Mark>
      {seconds != null && ` ${s.heldBack(seconds)}`}
    </>
  );
}

/** What its credentials are referred to by, and whether they are there. */
function Secrets({ of }: { of: ConnectorDetails['secrets'] }) {
  const s = useTexts(connectors);
  const state = (readable: boolean | null | undefined) =>
    readable == null ? s.notKnown : <Mark tone={readable ? 'good' : 'bad'}>{readable ? s.readable : s.unreadable}</Mark>;
  return (
    <Section title={s.secrets}>
      <SmallTable
        label={s.secrets}
        head={[s.credentialName, s.credentialFrom, s.secretState]}
        rows={of.map((one) => ({
          key: one.name,
          cells: [
            one.name,
            <span key="from">
              {s.froms[one.from === 'file' ? 'file' : 'env']} <Code>{one.reference}</Code>
            </span>,
            state(one.readable),
          ],
        }))}
      />
    </Section>
  );
}

function Actions({ of }: { of: ConnectorDetails }) {
  const s = useTexts(connectors);
  const [, change] = useFilters();
  const client = useQueryClient();
  const [dialog, confirm] = useConfirm();
  const path = { connector: of.name };
  const settings = settingsOf(of);
  const on = settings.enabled ?? true;
  const checking = useMutation({
    mutationFn: () => answer(api.POST('/api/v1/connectors/{connector}/refresh', { params: { path } })),
    onSuccess: () => client.invalidateQueries({ queryKey: ['catalog'] }),
  });
  const turn = (enabled: boolean) =>
    answer(api.PUT('/api/v1/connectors/{connector}', { params: { path }, body: { ...settings, enabled } as never }));
  const switching = useMutation({
    mutationFn: () => turn(true),
    onSuccess: () => {
      client.invalidateQueries({ queryKey: ['catalog'] });
      succeeded(s.switched(of.name, true));
    },
  });
  const switchOff = () =>
    confirm({
      title: s.offTitle(of.name),
      consequence: s.offText,
      verb: s.switchOff,
      done: s.switched(of.name, false),
      danger: true,
      act: () => turn(false),
      touches: ['catalog'],
    });
  const remove = () =>
    confirm({
      title: s.removeTitle(of.name),
      consequence: s.removeText,
      verb: s.remove,
      done: s.removed(of.name),
      typed: of.name,
      danger: true,
      act: async () => {
        await answer(api.DELETE('/api/v1/connectors/{connector}', { params: { path } }));
        change({ open: undefined });
      },
      touches: ['catalog'],
    });
  return (
    <>
      <Group gap="xs">
        <GuardedButton area="catalog" size="xs" loading={checking.isPending} onClick={() => checking.mutate()}>
          {s.check}
        </GuardedButton>
        <GuardedButton area="catalog" size="xs" variant="default" onClick={() => change({ edit: 'yes' }, 'push')}>
          {s.edit}
        </GuardedButton>
        <GuardedButton
          area="catalog"
          size="xs"
          variant="default"
          loading={switching.isPending}
          onClick={on ? switchOff : () => switching.mutate()}
        >
          {on ? s.switchOff : s.switchOn}
        </GuardedButton>
        <GuardedButton area="catalog" size="xs" color="red.8" onClick={remove}>
          {s.remove}
        </GuardedButton>
      </Group>
      <div role="status">
        {checking.isPending && <Text size="sm">{s.checking}</Text>}
        {checking.data && <CheckResult of={checking.data} />}
      </div>
      {checking.error && <ProblemNotice error={checking.error} />}
      {switching.error && <ProblemNotice error={switching.error} />}
      {dialog}
    </>
  );
}
