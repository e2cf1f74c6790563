import { NativeSelect, Paper, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { listRequests } from '../../api/approvals.ts';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useRight } from '../../api/me.tsx';
import { useFormat, useT } from '../../i18n/index.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { To, ToButton } from '../../parts/links.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { ConnectorMark } from '../../parts/marks.tsx';
import { PageHead } from '../../parts/PageHead.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Waiting } from '../../parts/Waiting.tsx';
import { CallsChart } from './CallsChart.tsx';

const REFRESH_MS = 20_000;
const HOURS = ['1', '24', '168'];
/** What free text finds records with findings by. */
const FINDING = 'finding:';

export default function Overview() {
  const t = useT();
  const [filters, change] = useFilters();
  const hours = HOURS.includes(filters.hours ?? '') ? Number(filters.hours) : 24;
  const overview = useQuery({
    queryKey: ['overview', hours],
    queryFn: () => answer(api.GET('/api/v1/overview', { params: { query: { hours } } })),
    refetchInterval: REFRESH_MS,
    placeholderData: (before) => before,
  });
  return (
    <>
      <PageHead title={t.places.overview} lead={t.leads.overview}>
        <NativeSelect
          size="xs"
          aria-label={t.overview.span}
          value={String(hours)}
          data={HOURS.map((value) => ({ value, label: t.overview.spans[value] ?? value }))}
          onChange={(event) => change({ hours: event.currentTarget.value })}
        />
      </PageHead>
      {overview.data ? (
        <Numbers overview={overview.data} hours={hours} />
      ) : overview.error ? (
        <ProblemNotice error={overview.error} retry={() => overview.refetch()} />
      ) : (
        <Waiting />
      )}
    </>
  );
}

type OverviewData = Schemas['OverviewView'];

/** The audit log's own name for so many hours. */
const PERIODS: Record<number, string> = { 1: '1h', 24: '24h', 168: '7d' };

function Numbers({ overview, hours }: { overview: OverviewData; hours: number }) {
  const t = useT();
  const format = useFormat();
  const period = PERIODS[hours] ?? '24h';
  const { latency } = overview;
  const compared = (one: Schemas['Compared'], better: 'more' | 'less' | 'neither') => ({
    value: format.number(one.now),
    change: format.change(one.now, one.before),
    tone: tone(one.now - one.before, better),
    note: t.overview.before(format.number(one.before)),
  });
  return (
    <Stack>
      <SimpleGrid cols={{ base: 2, md: 3 }} spacing="sm">
        <Figure label={t.overview.calls} {...compared(overview.calls, 'neither')} search={{ event: 'tool.call', period }} />
        <Figure label={t.overview.refusals} {...compared(overview.refusals, 'less')} search={{ outcome: 'refused', period }} />
        <Figure label={t.overview.failures} {...compared(overview.failures, 'less')} search={{ outcome: 'error', period }} />
        <Figure
          label={t.overview.latency}
          value={latency.p95_ms == null ? '–' : format.millis(latency.p95_ms)}
          change={
            latency.p95_ms == null || latency.before_p95_ms == null
              ? null
              : format.change(latency.p95_ms, latency.before_p95_ms)
          }
          tone={tone((latency.p95_ms ?? 0) - (latency.before_p95_ms ?? latency.p95_ms ?? 0), 'less')}
          note={latency.p50_ms == null ? t.overview.noComparison : t.overview.latencyNote(format.millis(latency.p50_ms))}
          search={{ event: 'tool.call', outcome: 'success', period }}
        />
        <Figure label={t.overview.findings} {...compared(overview.findings, 'less')} search={{ text: FINDING, period }} />
        <WaitingForMe />
      </SimpleGrid>
      <Panel title={t.overview.chart}>
        {overview.calls.now + overview.calls.before === 0 ? <NoCalls /> : <CallsChart series={overview.series} />}
      </Panel>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="sm">
        <Panel title={t.overview.refusedTools}>
          <RefusedTools tools={overview.refused_tools} period={period} />
        </Panel>
        <Panel title={t.overview.health}>
          <Health overview={overview} />
        </Panel>
      </SimpleGrid>
    </Stack>
  );
}

function tone(change: number, better: 'more' | 'less' | 'neither'): Tone {
  if (change === 0 || better === 'neither') return 'plain';
  return change > 0 === (better === 'more') ? 'good' : 'warn';
}

export function Panel({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Paper withBorder p="md" component="section" aria-label={title}>
      <Title order={2} size="h5" mb="sm">
        {title}
      </Title>
      {children}
    </Paper>
  );
}

interface FigureProps {
  label: string;
  value: string;
  change?: string | null;
  tone: Tone;
  note: string;
  /** Where it leads: to records, if not told otherwise. */
  to?: string;
  search?: Record<string, string>;
}

/** A number that leads to what it counts. */
function Figure({ label, value, change = null, tone, note, to = '/audit', search = {} }: FigureProps) {
  return (
    <To to={to} search={search} className="figure">
      <Text size="sm" component="span">
        {label}
      </Text>
      <span className="figure-value">
        {value} {change && <Mark tone={tone}>{change}</Mark>}
      </span>
      <Text size="xs" component="span" className="lead">
        {note}
      </Text>
    </To>
  );
}

function NoCalls() {
  const t = useT();
  return (
    <EmptyState
      title={t.overview.none}
      next={t.overview.noneNext}
      action={
        <ToButton variant="filled" to="/start">
          {t.overview.toChecklist}
        </ToButton>
      }
    />
  );
}

function RefusedTools({ tools, period }: { tools: OverviewData['refused_tools']; period: string }) {
  const t = useT();
  const format = useFormat();
  if (tools.length === 0) return <Text size="sm">{t.overview.refusedToolsNone}</Text>;
  return (
    <ol className="ranking">
      {tools.map((tool) => (
        <li key={`${tool.connector}/${tool.name}`}>
          <To to="/audit" search={{ connector: tool.connector, tool: tool.name, outcome: 'refused', period }}>
            {tool.connector}/{tool.name}
          </To>
          <span>{format.number(tool.count)}</span>
        </li>
      ))}
    </ol>
  );
}

/** How many requests wait for the reader's own decision. */
function WaitingForMe() {
  const t = useT();
  const format = useFormat();
  const waiting = useQuery({
    queryKey: ['approvals', 'overview'],
    queryFn: ({ signal }) => listRequests('for-me', undefined, signal),
    refetchInterval: REFRESH_MS,
  });
  const count = waiting.data && `${format.number(waiting.data.items.length)}${waiting.data.next_cursor ? '+' : ''}`;
  return (
    <Figure label={t.overview.waiting} value={count ?? '–'} tone="plain" note={t.overview.waitingNote} to="/approvals" />
  );
}

/** How much the kill switch holds now. */
function Stopped() {
  const t = useT();
  const format = useFormat();
  const { allowed } = useRight('kill-switches', 'view');
  const engaged = useQuery({
    queryKey: ['kill-switches', 'overview'],
    queryFn: () => answer(api.GET('/api/v1/kill-switches', { params: { query: { engaged: true } } })),
    enabled: allowed,
    refetchInterval: REFRESH_MS,
  });
  if (!engaged.data) return null;
  const { length } = engaged.data.items;
  return (
    <>
      <dt>{t.areas['kill-switches']}</dt>
      <dd>
        <To to="/access" search={{ tab: 'stops', engaged: 'yes' }} className="marks">
          <Mark tone={length > 0 ? 'bad' : 'good'}>{length > 0 ? format.number(length) : t.common.none}</Mark>
        </To>
      </dd>
    </>
  );
}

function Health({ overview }: { overview: OverviewData }) {
  const t = useT();
  const format = useFormat();
  const { audit, connectors } = overview;
  const states = ['ready', 'unreachable', 'not_asked', 'disabled'] as const;
  return (
    <dl className="fields">
      <dt>{t.overview.systems}</dt>
      <dd>
        <To to="/catalog" search={{ tab: 'connectors' }} className="marks">
          {states
            .filter((state) => connectors[state] > 0)
            .map((state) => (
              <span key={state}>
                <ConnectorMark state={state} /> {format.number(connectors[state])}
              </span>
            ))}
          {states.every((state) => connectors[state] === 0) && t.common.none}
        </To>
      </dd>
      <dt>{t.overview.journal}</dt>
      <dd className="marks">
        <Mark tone={audit.healthy ? 'good' : 'bad'}>
          {audit.healthy ? t.overview.journalHealthy : t.overview.journalBroken}
        </Mark>
        <span>{t.overview.records(format.number(audit.records))}</span>
        {audit.index_lag > 0 && <span>{t.overview.lag(format.number(audit.index_lag))}</span>}
      </dd>
      <Stopped />
    </dl>
  );
}
