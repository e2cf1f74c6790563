import { Alert, Code, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ApprovalDetails, getRequest } from '../../api/approvals.ts';
import type { Schemas } from '../../api/client.ts';
import { useMe } from '../../api/me.tsx';
import { listed, useT, useTexts } from '../../i18n/index.tsx';
import { inspection } from '../../i18n/inspection.ts';
import { Client } from '../../parts/Client.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { To, ToButton } from '../../parts/links.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { Marked } from '../../parts/Marked.tsx';
import { ClassMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { People } from '../../parts/Person.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { RiskMark, StateMark } from './Approvals.tsx';
import { Decide } from './Decide.tsx';

type Finding = Schemas['ArgumentFinding'];

/** Everything that deciding on a request asks for. */
export function RequestDrawer({ id, close }: { id: string | undefined; close: () => void }) {
  const t = useT();
  const request = useQuery({
    queryKey: ['approvals', 'one', id],
    queryFn: () => getRequest(id ?? ''),
    enabled: id !== undefined,
  });
  const target = request.data?.target;
  return (
    <Details
      title={target ? `${target.connector}/${target.name}` : t.approvals.request}
      opened={id !== undefined}
      close={close}
      query={request}
    >
      {(request) => <RequestView request={request} />}
    </Details>
  );
}

function RequestView({ request }: { request: ApprovalDetails }) {
  const t = useT();
  const me = useMe();
  const { target, requester, client } = request;
  return (
    <Stack>
      <Fields
        of={[
          [t.access.state, <StateMark key="state" state={request.state} />],
          [t.approvals.risk, <RiskMark key="risk" risk={request.risk} />],
          [t.audit.who, `${requester.name}${requester.id === me.id ? `（${t.approvals.you}）` : ''}`],
          [t.audit.client, client.claimed_name ?? <Client key="client" id={client.id} />],
          [t.audit.class, <ClassMark key="class" name={target.class} />],
          [t.audit.environment, t.environments[target.environment] ?? target.environment],
          [t.audit.dataClasses, listed(target.data_classes)],
          [t.approvals.asked, <Moment key="asked" time={request.created_at} />],
          [t.approvals.expires, <Moment key="expires" time={request.expires_at} />],
        ]}
      />
      <Section title={t.approvals.why}>
        <ul className="plain-list">
          {request.reasons.map((reason) => (
            <li key={reason.policy}>
              {reason.reason} <Code>{reason.policy}</Code>
            </li>
          ))}
        </ul>
      </Section>
      <Section title={t.audit.arguments}>
        {request.arguments_masked && (
          <Alert variant="outline" color="gray" title={t.approvals.masked} className="problem" />
        )}
        <Arguments value={request.arguments} findings={request.findings} />
        {request.findings.length > 0 && <Findings of={request.findings} />}
        {request.edits.length > 0 && (
          <Text size="sm">{listed(request.edits.map((edit) => t.approvals.editedBy(edit.name)))}</Text>
        )}
      </Section>
      {request.current && <Changes of={request.current} />}
      <Decide key={request.arguments_digest} request={request} />
      <Progress request={request} />
      {request.history.length > 0 && <History past={request.history} />}
      <Group gap="xs">
        <ToButton to="/audit" search={{ user: requester.id, connector: target.connector, tool: target.name }}>
          {t.approvals.records}
        </ToButton>
        <ToButton
          to="/policies"
          search={{ tab: 'test', user: requester.id, connector: target.connector, tool: target.name }}
        >
          {t.audit.explain}
        </ToButton>
      </Group>
    </Stack>
  );
}

/** Each argument by its name, so that none is overlooked in a block of JSON. */
function Arguments({ value, findings }: { value: unknown; findings: Finding[] }) {
  const t = useT();
  const members = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (members.length === 0) return <Text size="sm">{t.common.none}</Text>;
  return (
    <Fields
      of={members.map(([name, value]) => [
        name,
        <Code key={name} block={typeof value === 'object'} className="argument">
          {typeof value === 'string' ? (
            <Marked text={value} findings={findings.filter((one) => one.pointer === `/${escaped(name)}`)} />
          ) : (
            JSON.stringify(value, null, 2)
          )}
        </Code>,
      ])}
    />
  );
}

/** A name as JSON pointers write it. */
const escaped = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** What inspection finds in the arguments, by type and place. */
function Findings({ of: findings }: { of: Finding[] }) {
  const t = useT();
  const s = useTexts(inspection);
  return (
    <SmallTable
      label={t.approvals.findings}
      head={[t.approvals.findings, s.class, t.approvals.argument]}
      rows={findings.map((one) => ({
        key: `${one.pointer} ${one.start} ${one.type}`,
        cells: [
          <Mark key="type" tone="warn">
            {s.types[one.type] ?? one.type}
          </Mark>,
          s.classes[one.class] ?? one.class,
          <Code key="where">{one.pointer}</Code>,
        ],
      }))}
    />
  );
}

/** What the call would change, against what was read when people were asked. */
function Changes({ of: current }: { of: NonNullable<ApprovalDetails['current']> }) {
  const t = useT();
  const shown = (value: unknown, none: string) =>
    value === undefined || value === null ? (
      none
    ) : (
      <Code className="argument">{typeof value === 'string' ? value : JSON.stringify(value)}</Code>
    );
  return (
    <Section title={t.approvals.changes}>
      <Text size="sm">
        {t.approvals.readBy(current.tool)} <Moment time={current.read_at} />
      </Text>
      {current.failure !== undefined && current.failure !== null ? (
        <Alert variant="outline" color="gray" title={t.approvals.notRead} className="problem">
          {current.failure}
        </Alert>
      ) : current.changes.length === 0 ? (
        <Text size="sm">{t.approvals.changesNothing}</Text>
      ) : (
        <SmallTable
          label={t.approvals.changes}
          head={[t.approvals.argument, t.approvals.before, t.approvals.after]}
          rows={current.changes.map((change) => ({
            key: change.pointer,
            cells: [
              change.pointer,
              shown(change.before, t.approvals.nothingThere),
              shown(change.after, t.approvals.notGiven),
            ],
          }))}
        />
      )}
      {current.unchanged.length > 0 && (
        <Text size="sm">
          {t.approvals.unchanged}: {listed(current.unchanged)}
        </Text>
      )}
    </Section>
  );
}

/** Who must agree, and who did. */
function Progress({ request }: { request: ApprovalDetails }) {
  const t = useT();
  return (
    <Section title={t.approvals.progress}>
      <ul className="plain-list">
        {request.approvers.map((panel) => (
          <li key={panel.chosen_by}>
            {t.approvals.panel(String(panel.agreed), String(panel.quorum))} <People after={panel.groups} ids={panel.people} />
            {panel.step_up && `（${t.approvals.stepUp}）`}
          </li>
        ))}
      </ul>
      <Fields
        of={[
          ...request.votes.map((vote): [string, React.ReactNode] => [
            t.approvals.agreedBy(vote.name),
            <span key={vote.by}>
              <Moment time={vote.at} /> {vote.note}
            </span>,
          ]),
          ...request.delegations.map((one): [string, React.ReactNode] => [
            t.approvals.delegated(one.to_name),
            <Moment key={one.to} time={one.at} />,
          ]),
          [
            request.closing?.name ?? t.approvals.closed,
            request.closing && (
              <span>
                <Moment time={request.closing.at} /> {request.closing.reason}
              </span>
            ),
          ],
        ]}
      />
    </Section>
  );
}

function History({ past }: { past: ApprovalDetails['history'] }) {
  const t = useT();
  return (
    <Section title={t.approvals.history}>
      <SmallTable
        label={t.approvals.history}
        head={[t.approvals.asked, t.audit.who, t.access.state, t.approvals.decidedBy]}
        rows={past.map((one) => ({
          key: one.id,
          cells: [
            <To key="when" to="/approvals" search={{ tab: 'decided', open: one.id }}>
              <Moment time={one.created_at} />
            </To>,
            one.requester,
            <StateMark key="state" state={one.state} />,
            listed(one.decided_by),
          ],
        }))}
      />
    </Section>
  );
}
