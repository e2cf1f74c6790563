import { Alert, Button, Stack, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api } from '../../api/client.ts';
import { connectors } from '../../i18n/connectors.ts';
import { listed, useT, useTexts } from '../../i18n/index.tsx';
import { start } from '../../i18n/start.ts';
import { Copyable } from '../../parts/Copyable.tsx';
import { Fields } from '../../parts/Details.tsx';
import { ToButton } from '../../parts/links.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { Waiting } from '../../parts/Waiting.tsx';
import { CheckResult } from '../catalog/CheckResult.tsx';
import { NewConnector } from '../catalog/NewConnector.tsx';
import { GuardRails } from '../policies/GuardRails.tsx';
import { RoleEditor } from '../policies/RoleEditor.tsx';
import { ClientSetup } from '../settings/ClientSetup.tsx';
import { useConfiguration } from '../settings/Configuration.tsx';
import { ProviderCheck } from '../settings/ProviderCheck.tsx';
import { ProviderForm } from '../settings/ProviderForm.tsx';
import { groupsOf, useProviders, useRails, useSystems } from './steps.ts';

const PANELS: Record<string, () => React.JSX.Element> = {
  address: Address,
  provider: Provider,
  people: () => <Way to="/access" search={{}} label="toPeople" />,
  scim: () => <Way to="/settings" search={{ tab: 'scim' }} label="toScim" />,
  connector: Connector,
  review: Review,
  roles: () => <Drafting>{(saved) => <RoleEditor name={undefined} saved={saved} />}</Drafting>,
  rails: () => <Drafting>{(saved) => <GuardRails saved={saved} />}</Drafting>,
  approvers: Approvers,
  client: ClientSetup,
  drill: () => <Way to="/access" search={{ tab: 'stops' }} label="toStops" />,
  call: () => <Way to="/audit" search={{ event: 'tool.call' }} label="toAudit" />,
};

/** What is done in a step, or the way to where it is done. */
export function Panel({ step }: { step: string }) {
  const View = PANELS[step];
  return View ? <View /> : null;
}

function Way({ to, search, label }: { to: string; search: Record<string, string>; label: 'toPeople' | 'toScim' | 'toStops' | 'toAudit' }) {
  const s = useTexts(start);
  return (
    <div>
      <ToButton to={to} search={search}>
        {s[label]}
      </ToButton>
    </div>
  );
}

function Address() {
  const s = useTexts(start);
  const configuration = useConfiguration();
  if (configuration.error) return <ProblemNotice error={configuration.error} />;
  if (!configuration.data) return <Waiting />;
  const { title, public_url, file } = configuration.data;
  return (
    <Stack gap="sm">
      <Fields
        of={[
          [s.gateTitle, title],
          [s.gateAddress, <Copyable key="address" text={public_url} />],
          [s.file, <Copyable key="file" text={file} />],
        ]}
      />
      {public_url === location.origin ? (
        <Mark tone="good">{s.sameAddress}</Mark>
      ) : (
        <Alert color="yellow">{s.otherAddress(location.origin)}</Alert>
      )}
      <Text size="sm">{s.change('server.title / server.public_url')}</Text>
    </Stack>
  );
}

function Provider() {
  const s = useTexts(start);
  const providers = useProviders();
  const [adding, setAdding] = useState(false);
  if (providers.error) return <ProblemNotice error={providers.error} />;
  if (!providers.data) return <Waiting />;
  const { items } = providers.data;
  if (items.length === 0 || adding) return <ProviderForm done={() => setAdding(false)} />;
  return (
    <Stack>
      {items.map((one) => (
        <Section key={one.name} title={one.title}>
          <ProviderCheck of={one} />
        </Section>
      ))}
      <Text size="sm">{s.signInTest}</Text>
      <Copyable text={`${location.origin}/sign-in`} />
      <div>
        <Button size="xs" variant="default" onClick={() => setAdding(true)}>
          {s.another}
        </Button>
      </div>
    </Stack>
  );
}

function Connector() {
  const s = useTexts(connectors);
  const client = useQueryClient();
  const checking = useMutation({
    mutationFn: (connector: string) =>
      answer(api.POST('/api/v1/connectors/{connector}/refresh', { params: { path: { connector } } })),
    onSuccess: () => client.invalidateQueries({ queryKey: ['catalog'] }),
  });
  return (
    <Stack>
      <div role="status">
        {checking.isPending && <Text size="sm">{s.checking}</Text>}
        {checking.data && <CheckResult of={checking.data} />}
      </div>
      {checking.error && <ProblemNotice error={checking.error} />}
      <NewConnector key={checking.data?.name ?? ''} done={(name) => checking.mutate(name)} />
    </Stack>
  );
}

function Review() {
  const s = useTexts(start);
  const systems = useSystems().data?.items ?? [];
  const waiting = systems.reduce((sum, one) => sum + one.unreviewed, 0);
  return (
    <Stack gap="sm">
      <Text size="sm">{s.waits(waiting)}</Text>
      <div>
        <ToButton to="/catalog" search={{ review_state: 'unclassified' }}>
          {s.toTools}
        </ToButton>
      </div>
    </Stack>
  );
}

/** What is saved as a draft of the policies, and where that is. */
function Drafting({ children }: { children: (saved: (version: number) => void) => React.ReactNode }) {
  const t = useT();
  const s = useTexts(start);
  const [version, setVersion] = useState<number>();
  return (
    <Stack>
      {version !== undefined && (
        <Alert role="status">
          {s.saved(t.policies.version(version))}{' '}
          <ToButton to="/policies" search={{ tab: 'versions', open: String(version) }} size="compact-xs">
            {s.toDraft}
          </ToButton>
        </Alert>
      )}
      {children(setVersion)}
    </Stack>
  );
}

function Approvers() {
  const s = useTexts(start);
  const configuration = useConfiguration().data;
  const rails = useRails().data;
  const settings = configuration?.settings;
  const groups = [...new Set([...(rails?.settings.approvers ?? []), ...groupsOf(settings, 'approver_groups')])];
  const inApprovals = (name: string) => settings?.find((one) => one.section === 'approvals' && one.name === name)?.value;
  const webhooks = (inApprovals('webhooks') ?? []) as { name: string }[];
  const channels = [...(inApprovals('mail') ? ['mail'] : []), ...webhooks.map((one) => one.name)];
  const address = configuration?.public_url ?? location.origin;
  return (
    <Stack gap="sm">
      <Fields
        of={[
          [s.approverGroups, groups.length > 0 ? listed(groups) : s.nobody],
          [s.channels, channels.length > 0 ? listed(channels) : s.noChannels],
        ]}
      />
      <Text size="sm">{s.approverGroupsFrom}</Text>
      <Section title={s.invitation}>
        <Copyable text={s.invitationText(configuration?.title ?? '', address)} block />
      </Section>
    </Stack>
  );
}
