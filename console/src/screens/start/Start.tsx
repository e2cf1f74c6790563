import { Paper, Progress, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api } from '../../api/client.ts';
import { roleOf } from '../../api/roles.ts';
import { useT } from '../../i18n/index.tsx';
import { ToButton } from '../../parts/links.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { PageHead } from '../../parts/PageHead.tsx';

interface Step {
  name: string;
  /** Unknown while it is asked, and to those who may not see it. */
  done: boolean | undefined;
  to: string;
  search: Record<string, string>;
}

/** What is open until people can work. Each step is looked up, none is ticked by hand. */
export default function Start() {
  const t = useT();
  const steps = useSteps();
  const done = steps.filter((step) => step.done).length;
  return (
    <>
      <PageHead title={t.start.title} lead={t.start.lead} />
      <Stack maw="48rem">
        <Text size="sm" role="status">
          {t.start.progress(done, steps.length)}
        </Text>
        <Progress value={(100 * done) / steps.length} aria-label={t.start.progress(done, steps.length)} />
        <ol className="plain-list steps">
          {steps.map((step) => (
            <li key={step.name}>
              <StepView step={step} />
            </li>
          ))}
        </ol>
      </Stack>
    </>
  );
}

function StepView({ step }: { step: Step }) {
  const t = useT();
  const [title, text] = t.start.steps[step.name] ?? [step.name, ''];
  return (
    <Paper withBorder p="sm" className="step">
      <div>
        <div className="marks">
          <Mark tone={step.done ? 'good' : 'plain'}>
            {step.done === undefined ? t.start.unknown : step.done ? t.start.done : t.start.open}
          </Mark>
          <Title order={2} size="h5">
            {title}
          </Title>
        </div>
        <Text size="sm">{text}</Text>
      </div>
      <ToButton variant={step.done ? 'default' : 'filled'} to={step.to} search={step.search} aria-label={`${t.start.go}: ${title}`}>
        {t.start.go}
      </ToButton>
    </Paper>
  );
}

const limit = 200;

/** What the gate tells of itself, as far as the reader may see it. */
function useFound() {
  const connectors = useQuery({
    queryKey: ['catalog', 'start'],
    queryFn: () => answer(api.GET('/api/v1/connectors', { params: { query: { limit } } })),
  });
  const providers = useQuery({
    queryKey: ['identity-providers', 'start'],
    queryFn: () => answer(api.GET('/api/v1/identity-providers')),
  });
  const people = useQuery({
    queryKey: ['people', 'start'],
    queryFn: () => answer(api.GET('/api/v1/users', { params: { query: { limit: 20, active: true } } })),
  });
  const tokens = useQuery({
    queryKey: ['scim-tokens', 'start'],
    queryFn: () => answer(api.GET('/api/v1/scim-tokens', { params: { query: { limit: 20 } } })),
  });
  const roles = useQuery({
    queryKey: ['policies', 'start'],
    queryFn: () => answer(api.GET('/api/v1/roles', { params: { query: { limit } } })),
  });
  const rails = useQuery({
    queryKey: ['guard-rails'],
    queryFn: () => answer(api.GET('/api/v1/guard-rails')),
  });
  const clients = useQuery({
    queryKey: ['clients', 'start'],
    queryFn: () => answer(api.GET('/api/v1/clients', { params: { query: { limit: 1 } } })),
  });
  const stops = useQuery({
    queryKey: ['kill-switches', 'start'],
    queryFn: () => answer(api.GET('/api/v1/kill-switches', { params: { query: { limit } } })),
  });
  const overview = useQuery({
    queryKey: ['overview', 168],
    queryFn: () => answer(api.GET('/api/v1/overview', { params: { query: { hours: 168 } } })),
  });
  return {
    systems: connectors.data?.items,
    providers: providers.data?.items,
    people: people.data?.items,
    tokens: tokens.data?.items,
    roles: roles.data?.items,
    rails: rails.data,
    clients: clients.data?.items,
    stops: stops.data?.items,
    calls: overview.data?.calls.now,
  };
}

function useSteps(): Step[] {
  const { systems, providers, people, tokens, roles, rails, clients, stops, calls } = useFound();
  const settings = rails?.settings;
  const granting = roles?.map(roleOf).flatMap((role) => role.grants);
  const named = settings && granting && [settings.approvers, ...granting.map((one) => one.approval?.approvers)];
  return [
    { name: 'provider', done: providers?.some((one) => one.enabled), to: '/settings', search: { tab: 'providers' } },
    { name: 'people', done: people?.some((one) => one.source !== 'local'), to: '/access', search: {} },
    { name: 'scim', done: tokens?.some((one) => one.state === 'active'), to: '/settings', search: { tab: 'scim' } },
    { name: 'connector', done: systems && systems.length > 0, to: '/catalog', search: { tab: 'connectors' } },
    {
      name: 'review',
      done: systems?.some((one) => one.tools > 0) && systems.every((one) => one.unreviewed === 0),
      to: '/catalog',
      search: { review_state: 'unclassified' },
    },
    { name: 'roles', done: roles && roles.length > 0, to: '/policies', search: { tab: 'roles', new: 'yes' } },
    {
      name: 'rails',
      done: settings && (settings.internal_domains ?? []).length > 0,
      to: '/policies',
      search: { tab: 'guard-rails' },
    },
    { name: 'approvers', done: named?.some((one) => (one ?? []).length > 0), to: '/policies', search: { tab: 'guard-rails' } },
    { name: 'client', done: clients && clients.length > 0, to: '/settings', search: { tab: 'clients' } },
    { name: 'drill', done: stops?.some((one) => one.drill), to: '/access', search: { tab: 'stops' } },
    { name: 'call', done: calls === undefined ? undefined : calls > 0, to: '/audit', search: { event: 'tool.call' } },
  ];
}
