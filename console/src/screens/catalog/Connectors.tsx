import { Code, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { listed, useT } from '../../i18n/index.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { ToButton } from '../../parts/links.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { ConnectorMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';

type Connector = Schemas['ConnectorView'];

export function Connectors() {
  const t = useT();
  const [filters, change] = useFilters();
  return (
    <>
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
        empty={
          <EmptyState
            title={t.catalog.noConnectors}
            next={
              <Stack gap="xs">
                <Text size="sm">{t.catalog.noConnectorsNext}</Text>
                <Code block>sekimori connector add crm --title CRM --http https://crm.example.co.jp/mcp</Code>
              </Stack>
            }
          />
        }
      />
      <ConnectorDrawer name={filters.open} close={() => change({ open: undefined })} />
    </>
  );
}

function ConnectorDrawer({ name, close }: { name: string | undefined; close: () => void }) {
  const t = useT();
  const connector = useQuery({
    queryKey: ['catalog', 'connector', name],
    queryFn: () =>
      answer(api.GET('/api/v1/connectors/{connector}', { params: { path: { connector: name ?? '' } } })),
    enabled: name !== undefined,
  });
  return (
    <Details title={connector.data?.title ?? name} opened={name !== undefined} close={close} query={connector}>
      {(connector) => (
        <Stack>
          <Fields
            of={[
              [t.catalog.state, <ConnectorMark key="state" state={connector.state} />],
              [t.catalog.problem, connector.problem],
              [t.catalog.name, connector.name],
              [t.catalog.environment, t.environments[connector.environment]],
              [t.catalog.transport, connector.transport],
              [t.catalog.destination, <Code key="destination">{connector.destination}</Code>],
              [t.catalog.credentials, listed(connector.credentials)],
              [t.catalog.revision, connector.revision],
              [t.catalog.seenAt, <Moment key="seen" time={connector.seen_at} />],
              [t.catalog.toolCount, String(connector.tools)],
              [t.catalog.unreviewed, String(connector.unreviewed)],
              [t.catalog.dataClasses, listed(connector.data_classes)],
              [t.catalog.timeout, t.catalog.seconds(connector.timeout_seconds)],
              [t.catalog.createdAt, <Moment key="created" time={connector.created_at} />],
              [t.catalog.rejected, connector.rejected.length > 0 && connector.rejected.join('\n')],
            ]}
          />
          <Group>
            <ToButton to="/catalog" search={{ connector: connector.name }}>
              {t.catalog.showTools}
            </ToButton>
            <ToButton to="/access" search={{ tab: 'stops', stop: 'connector', of: connector.name }}>
              {t.access.stop}
            </ToButton>
          </Group>
        </Stack>
      )}
    </Details>
  );
}
