import { Code, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api } from '../../api/client.ts';
import { listed, useT, useWording } from '../../i18n/index.tsx';
import { Client } from '../../parts/Client.tsx';
import { Copyable } from '../../parts/Copyable.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { ToButton } from '../../parts/links.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { ClassMark, OutcomeMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { RefusalCode } from '../../parts/RefusalCode.tsx';
import { Section } from '../../parts/Section.tsx';
import { targetOf } from './columns.tsx';
import type { AuditRecord } from './query.ts';
import { Road } from './Road.tsx';

/** One record, with why it ended as it did. */
export function RecordDrawer({ id, close }: { id: string | undefined; close: () => void }) {
  const t = useT();
  const record = useQuery({
    queryKey: ['audit', 'record', id],
    queryFn: () => answer(api.GET('/api/v1/audit-records/{id}', { params: { path: { id: id ?? '' } } })),
    enabled: id !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const title = record.data ? (t.events[record.data.event] ?? record.data.event) : t.audit.record;
  return (
    <Details title={title} opened={id !== undefined} close={close} query={record}>
      {(record) => <RecordView record={record} />}
    </Details>
  );
}

function RecordView({ record }: { record: AuditRecord }) {
  const { t, format } = useWording();
  const { outcome, decision, caller, target } = record;
  return (
    <Stack gap="md">
      <Fields
        of={[
          [t.audit.outcome, <OutcomeMark key="outcome" status={outcome?.status} />],
          [t.audit.reason, outcome?.message],
          [t.audit.code, outcome?.code && <RefusalCode key="code" code={outcome.code} />],
          [t.audit.time, <Moment key="time" time={record.time} />],
          [t.audit.duration, record.duration_us == null ? null : format.millis(record.duration_us / 1000)],
          [t.audit.correlation, <Copyable key="correlation" text={record.correlation} />],
        ]}
      />
      <Actions record={record} />
      {target && outcome && (
        <Section title={t.audit.road}>
          <Road stopped={outcome.stage ?? undefined} refused={outcome.status === 'refused'} times={record.stages ?? []} />
        </Section>
      )}
      {decision && (
        <Section title={t.audit.decision}>
          <Fields
            of={[
              [t.audit.decision, <Decided key="decided" effect={decision.effect} />],
              [
                t.audit.policiesThatDecided,
                decision.policies.length ? <PolicyNames key="names" names={decision.policies} /> : t.audit.noPolicy,
              ],
              [t.audit.policyVersion, String(decision.version)],
            ]}
          />
        </Section>
      )}
      {caller && (
        <Section title={t.audit.caller}>
          <Fields
            of={[
              [t.audit.who, caller.name],
              ['ID', <Copyable key="id" text={caller.id} />],
              [t.audit.kind, t.kinds[caller.kind] ?? caller.kind],
              [t.audit.groups, listed(caller.groups)],
              [
                t.audit.client,
                <span key="client">
                  <Client id={caller.client} />
                  {caller.client_claimed && `（${caller.client_claimed}）`}
                </span>,
              ],
              [t.audit.method, t.methods[caller.method] ?? caller.method],
              [t.audit.mfa, caller.mfa ? t.common.yes : t.common.no],
              [t.audit.address, caller.ip],
              [t.audit.userAgent, caller.user_agent],
            ]}
          />
        </Section>
      )}
      {target && (
        <Section title={t.audit.target}>
          <Fields
            of={[
              [t.audit.what, targetOf(record)],
              [
                t.audit.class,
                <Group key="class" gap={6}>
                  <ClassMark name={target.class} />
                  {!target.classified && <Text size="sm">{t.audit.notClassified}</Text>}
                </Group>,
              ],
              [t.audit.environment, t.environments[target.environment] ?? target.environment],
              [t.audit.dataClasses, listed(target.data_classes)],
              [t.audit.resources, listed(target.resources)],
            ]}
          />
        </Section>
      )}
      <Contents record={record} />
      <Section title={t.audit.detail}>
        <Fields
          of={[
            [t.audit.id, <Copyable key="id" text={record.id} />],
            [t.audit.phase, t.phases[record.phase] ?? record.phase],
            [t.audit.node, record.node],
            [t.audit.place, format.number(record.sequence)],
            ...Object.entries(record.detail ?? {}).map(
              ([name, value]): [string, string] => [name, typeof value === 'string' ? value : JSON.stringify(value)],
            ),
          ]}
        />
        <details>
          <summary>{t.audit.raw}</summary>
          <Code block>{JSON.stringify(record, null, 2)}</Code>
        </details>
      </Section>
    </Stack>
  );
}

function Decided({ effect }: { effect: string }) {
  const t = useT();
  return <Mark tone={effect === 'allow' ? 'good' : 'warn'}>{t.decisions[effect] ?? effect}</Mark>;
}

function PolicyNames({ names }: { names: string[] }) {
  return (
    <ul className="plain-list">
      {names.map((name) => (
        <li key={name}>
          <Code>{name}</Code>
        </li>
      ))}
    </ul>
  );
}

/** What was said, as far as it is kept and may be seen. */
function Contents({ record }: { record: AuditRecord }) {
  const { t, format } = useWording();
  const said = record.arguments;
  if (!said && !record.outcome?.digest) return null;
  return (
    <Section title={t.audit.arguments}>
      {said?.masked !== undefined && said.masked !== null ? (
        <Code block>{JSON.stringify(said.masked, null, 2)}</Code>
      ) : (
        <Text size="sm">{said?.withheld ? t.audit.withheld : t.audit.notKept}</Text>
      )}
      <Fields
        of={[
          [t.audit.size, said && format.bytes(said.bytes)],
          [t.audit.argumentsDigest, said && <Code>{said.digest}</Code>],
          [t.audit.answerDigest, record.outcome?.digest && <Code>{record.outcome.digest}</Code>],
        ]}
      />
    </Section>
  );
}

function Actions({ record }: { record: AuditRecord }) {
  const t = useT();
  const { caller, target } = record;
  const link = (to: string, search: Record<string, string>, label: string) => (
    <ToButton key={label} to={to} search={search}>
      {label}
    </ToButton>
  );
  return (
    <Group gap="xs">
      {link(`/audit/story/${encodeURIComponent(record.correlation)}`, {}, t.audit.story)}
      {caller && link('/audit', { user: caller.id }, t.audit.searchCaller)}
      {target && link('/audit', { connector: target.connector, tool: target.name }, t.audit.searchTool)}
      {caller &&
        target?.kind === 'tool' &&
        link(
          '/policies',
          { tab: 'test', user: caller.id, groups: caller.groups.join(','), connector: target.connector, tool: target.name, mfa: caller.mfa ? 'yes' : '' },
          t.audit.explain,
        )}
    </Group>
  );
}
