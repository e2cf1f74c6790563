import { Paper, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { answer, api } from '../../api/client.ts';
import { useFormat, useT } from '../../i18n/index.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { To } from '../../parts/links.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { PageHead } from '../../parts/PageHead.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Scope, useScope } from '../../parts/Scope.tsx';
import { Waiting } from '../../parts/Waiting.tsx';
import { NotTold, useNotTold } from './NotTold.tsx';
import { Raised, useRaised } from './Raised.tsx';

const REFRESH_MS = 20_000;
/** Records that the index may lag behind without anybody having to know. */
const LAG_MAX = 1_000;

interface Finding {
  title: string;
  /** The same with names instead of ids. */
  shown?: ReactNode;
  next: string;
  /** Why, as the gate tells it to its log. */
  why?: string | undefined;
  severe: boolean;
  to?: string;
  search?: Record<string, string>;
}

/** What is wrong now, and what the rules on past events found. */
export default function Alerts() {
  const t = useT();
  const { findings, error, pending } = useFindings();
  const raised = useRaised();
  const alerts = raised.data?.items ?? [];
  const notTold = useNotTold().data?.items ?? [];
  const quiet = !pending && !error && !raised.isPending && findings.length + alerts.length + notTold.length === 0;
  return (
    <>
      <PageHead title={t.places.alerts} lead={t.leads.alerts} />
      {error && <ProblemNotice error={error} />}
      {pending && !error && <Waiting />}
      {raised.error && <ProblemNotice error={raised.error} retry={() => raised.refetch()} />}
      {quiet && <EmptyState title={t.alerts.none} next={t.alerts.noneNext} />}
      <Stack component="ul" className="plain-list" mb="md">
        {findings.map((finding) => (
          <li key={finding.title}>
            <Paper withBorder p="md" component="section" aria-label={finding.title}>
              <div className="marks">
                <Mark tone={finding.severe ? 'bad' : 'warn'}>{finding.severe ? t.alerts.severe : t.alerts.mild}</Mark>
                <Title order={2} size="h5">
                  {finding.shown ?? finding.title}
                </Title>
              </div>
              <Text size="sm">{finding.next}</Text>
              {finding.why && (
                <Text size="sm">
                  {t.alerts.why} <span lang="en">{finding.why}</span>
                </Text>
              )}
              {finding.to && (
                <To to={finding.to} search={finding.search ?? {}}>
                  {t.alerts.look}
                </To>
              )}
            </Paper>
          </li>
        ))}
      </Stack>
      <NotTold />
      {alerts.length > 0 && <Raised alerts={alerts} />}
    </>
  );
}

function useFindings(): { findings: Finding[]; error: Error | null; pending: boolean } {
  const t = useT();
  const inWords = useScope();
  const format = useFormat();
  const refetchInterval = REFRESH_MS;
  const overview = useQuery({
    queryKey: ['overview', 1],
    queryFn: () => answer(api.GET('/api/v1/overview', { params: { query: { hours: 1 } } })),
    refetchInterval,
  });
  const connectors = useQuery({
    queryKey: ['catalog', 'alerts', 'connectors'],
    queryFn: () => answer(api.GET('/api/v1/connectors', { params: { query: { limit: 200 } } })),
    refetchInterval,
  });
  const changed = useQuery({
    queryKey: ['catalog', 'alerts', 'changed'],
    queryFn: () =>
      answer(api.GET('/api/v1/tools', { params: { query: { limit: 200, review_state: 'definition_changed' } } })),
  });
  const stopped = useQuery({
    queryKey: ['kill-switches', 'alerts'],
    queryFn: () => answer(api.GET('/api/v1/kill-switches', { params: { query: { engaged: true } } })),
    refetchInterval,
  });
  const findings: Finding[] = [];
  for (const one of stopped.data?.items ?? []) {
    findings.push({
      title: t.alerts.stopped(inWords(one.scope)),
      shown: (
        <>
          {t.alerts.stopped('')} <Scope of={one.scope} />
        </>
      ),
      next: one.reason,
      severe: true,
      to: '/access',
      search: { tab: 'stops', open: one.id },
    });
  }
  const audit = overview.data?.audit;
  if (audit && !audit.healthy) findings.push({ title: t.alerts.journal, next: t.alerts.journalNext, severe: true });
  if (audit && audit.index_lag > LAG_MAX) {
    findings.push({ title: t.alerts.lag(format.number(audit.index_lag)), next: t.alerts.lagNext, severe: false });
  }
  for (const connector of connectors.data?.items ?? []) {
    if (connector.state !== 'unreachable') continue;
    findings.push({
      title: t.alerts.unreachable(connector.title || connector.name),
      next: t.alerts.unreachableNext,
      why: connector.problem ?? undefined,
      severe: true,
      to: '/catalog',
      search: { tab: 'connectors', open: connector.name },
    });
  }
  for (const tool of changed.data?.items ?? []) {
    const name = `${tool.connector}/${tool.name}`;
    findings.push({
      title: t.alerts.changed(name),
      next: t.alerts.changedNext,
      severe: true,
      to: '/catalog',
      search: { open: name },
    });
  }
  const unreviewed = (connectors.data?.items ?? []).reduce((sum, one) => sum + one.unreviewed, 0);
  const first = unreviewed - (changed.data?.items.length ?? 0);
  if (first > 0) {
    findings.push({
      title: t.alerts.unreviewed(first),
      next: t.alerts.unreviewedNext,
      severe: false,
      to: '/catalog',
      search: { review_state: 'unclassified' },
    });
  }
  return {
    findings,
    error: overview.error ?? connectors.error ?? changed.error ?? stopped.error,
    pending: overview.isPending || connectors.isPending || changed.isPending || stopped.isPending,
  };
}
