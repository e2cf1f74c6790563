import { Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api } from '../../api/client.ts';
import { ENVIRONMENTS } from '../../api/roles.ts';
import { configuration } from '../../i18n/configuration.ts';
import { listed, useFormat, useT, useTexts } from '../../i18n/index.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { To } from '../../parts/links.tsx';
import { useConfiguration } from './Configuration.tsx';
import { Orders } from './Orders.tsx';

/** Where records and notices go, how long they are kept, and what environments there are. */
export function Records() {
  const s = useTexts(configuration);
  return (
    <Stack>
      <Text size="sm">{s.recordsLead}</Text>
      <Sinks />
      <Channels />
      <Retention />
      <Orders />
      <Environments />
    </Stack>
  );
}

function Sinks() {
  const s = useTexts(configuration);
  const format = useFormat();
  const found = useQuery({
    queryKey: ['audit', 'sinks'],
    queryFn: () => answer(api.GET('/api/v1/audit-sinks')),
    refetchInterval: 20_000,
  });
  const sinks = found.data?.items ?? [];
  return (
    <Section title={s.sinks}>
      <Text size="sm">{s.sinksPlace}</Text>
      {found.error && <ProblemNotice error={found.error} />}
      {found.data && sinks.length === 0 && <Text size="sm">{s.noSinks}</Text>}
      {sinks.length > 0 && (
        <SmallTable
          label={s.sinks}
          head={[s.sink, s.node, s.state, s.delivered, s.deliveredAt, s.deadLetters]}
          rows={sinks.map((one) => ({
            key: `${one.node} ${one.name}`,
            cells: [
              one.name,
              one.node,
              <Mark key="state" tone={one.problem ? 'bad' : 'good'}>
                {one.problem ?? s.working}
              </Mark>,
              format.number(one.delivered),
              <Moment key="at" time={one.delivered_at} />,
              format.number(one.dead_letters),
            ],
          }))}
        />
      )}
    </Section>
  );
}

interface Told {
  name?: string;
  form?: string;
  host?: string;
  to?: string[];
  url?: Record<string, string>;
}

function Channels() {
  const t = useT();
  const s = useTexts(configuration);
  const settings = useConfiguration().data?.settings;
  const of = (section: string, name: string) =>
    settings?.find((one) => one.section === section && one.name === name)?.value as unknown;
  const mail = of('approvals', 'mail') as Told | null | undefined;
  const webhooks = (of('approvals', 'webhooks') ?? []) as Told[];
  const alerted = (of('audit', 'alert_channels') ?? []) as string[];
  const rows = [
    ...(mail ? [{ name: 'mail', form: 'mail', to: [mail.host, ...(mail.to ?? [])] }] : []),
    ...webhooks.map((one) => ({ name: one.name ?? '', form: one.form ?? '', to: Object.values(one.url ?? {}) })),
  ];
  return (
    <Section title={s.channels}>
      <Text size="sm">{s.channelsPlace}</Text>
      {settings && rows.length === 0 && <Text size="sm">{s.noChannels}</Text>}
      {rows.length > 0 && (
        <SmallTable
          label={s.channels}
          head={[s.channel, s.form, s.to, s.alerts]}
          rows={rows.map((one) => ({
            key: one.name,
            cells: [
              one.name,
              s.forms[one.form] ?? one.form,
              listed(one.to.filter((to) => to !== undefined)),
              alerted.includes(one.name) ? t.common.yes : t.common.no,
            ],
          }))}
        />
      )}
    </Section>
  );
}

function Retention() {
  const s = useTexts(configuration);
  const format = useFormat();
  const found = useQuery({
    queryKey: ['retention', 'rules'],
    queryFn: () => answer(api.GET('/api/v1/retention')),
  });
  const days = (days: number | null | undefined) => (days == null ? s.forEver : s.forDays(format.number(days)));
  const rules = found.data?.rules ?? [];
  return (
    <Section title={s.retention}>
      <Text size="sm">{s.retentionPlace}</Text>
      {found.error && <ProblemNotice error={found.error} />}
      {found.data && (
        <SmallTable
          label={s.retention}
          head={[s.events, s.dataClasses, s.days]}
          rows={[
            ...rules.map((rule, place) => ({
              key: String(place),
              cells: [listed(rule.events) || s.everything, listed(rule.data_classes) || s.everything, days(rule.days)],
            })),
            { key: 'others', cells: [s.others, '', days(found.data.days)] },
          ]}
        />
      )}
    </Section>
  );
}

function Environments() {
  const t = useT();
  const s = useTexts(configuration);
  const found = useQuery({
    queryKey: ['catalog', 'environments'],
    queryFn: () => answer(api.GET('/api/v1/connectors', { params: { query: { limit: 200 } } })),
  });
  const connectors = found.data?.items ?? [];
  return (
    <Section title={s.environments}>
      <Text size="sm">{s.environmentsLead}</Text>
      {found.error && <ProblemNotice error={found.error} />}
      <SmallTable
        label={s.environments}
        head={[s.environment, s.systems]}
        rows={ENVIRONMENTS.map((environment) => ({
          key: environment,
          cells: [
            t.environments[environment],
            <span key="systems" className="marks">
              {connectors
                .filter((one) => one.environment === environment)
                .map((one) => (
                  <To key={one.name} to="/catalog" search={{ tab: 'connectors', open: one.name }}>
                    {one.title}
                  </To>
                ))}
            </span>,
          ],
        }))}
      />
    </Section>
  );
}
