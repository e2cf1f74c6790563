// What the gate finds out about a version: its tests, and whom it would change something for.

import { Button, Group, NumberInput, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { editor } from '../../i18n/editor.ts';
import { listed, useFormat, useT, useTexts } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { Mark } from '../../parts/Mark.tsx';
import { ClassMark, DecisionMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { Waiting } from '../../parts/Waiting.tsx';

const DAYS = 30;

export function Tests({ version }: { version: number }) {
  const s = useTexts(policies);
  const [wanted, setWanted] = useState(false);
  const tests = useQuery({
    queryKey: ['policies', 'tests', version],
    queryFn: () => answer(api.GET('/api/v1/policies/{version}/tests', { params: { path: { version } } })),
    enabled: wanted,
  });
  if (!wanted) {
    return (
      <Group>
        <Button size="xs" variant="default" onClick={() => setWanted(true)}>
          {s.runTests}
        </Button>
      </Group>
    );
  }
  if (tests.error) return <ProblemNotice error={tests.error} retry={() => tests.refetch()} />;
  return tests.data ? <TestResults found={tests.data} /> : <Waiting />;
}

/** How tests ended, and what is to be said about the text. */
export function TestResults({ found }: { found: Schemas['PolicyTests'] }) {
  const t = useT();
  const s = useTexts(policies);
  const e = useTexts(editor);
  const format = useFormat();
  const count = format.number(found.results.length);
  const failed = found.results.filter((one) => !one.passed);
  return (
    <Stack gap="xs">
      <div role="status">
        {found.results.length === 0 ? (
          <Text size="sm">{s.noTests}</Text>
        ) : (
          <Mark tone={failed.length === 0 ? 'good' : 'bad'}>
            {failed.length === 0 ? s.allPassed(count) : s.failed(format.number(failed.length), count)}
          </Mark>
        )}
      </div>
      {failed.length > 0 && (
        <SmallTable
          label={s.tests}
          head={[s.test, s.expected, s.actual, t.audit.reason]}
          rows={failed.map((one) => ({
            key: one.name,
            cells: [
              one.name,
              <DecisionMark key="expected" decision={one.expected} />,
              <DecisionMark key="actual" decision={one.actual} />,
              one.reason,
            ],
          }))}
        />
      )}
      {found.diagnostics.length > 0 && (
        <section aria-label={s.warnings}>
          <Text size="sm" fw={700}>
            {s.warnings}
          </Text>
          <ul className="flaws">
            {found.diagnostics.map((one) => (
              <li key={`${one.line}:${one.column}:${one.message}`}>
                {one.line != null && one.column != null && `${e.line(String(one.line), String(one.column))}: `}
                {one.message}
                {one.hint && ` (${one.hint})`}
              </li>
            ))}
          </ul>
        </section>
      )}
    </Stack>
  );
}

export function Impact({ version }: { version: number }) {
  const s = useTexts(policies);
  const [days, setDays] = useState<number | string>(DAYS);
  const [wanted, setWanted] = useState<number>();
  const impact = useQuery({
    queryKey: ['policies', 'impact', version, wanted],
    queryFn: () =>
      answer(
        api.GET('/api/v1/policies/{version}/impact', { params: { path: { version }, query: { days: wanted ?? DAYS } } }),
      ),
    enabled: wanted !== undefined,
  });
  return (
    <Stack gap="xs">
      <Text size="sm">{s.impactLead}</Text>
      <Group align="end" gap="xs">
        <NumberInput size="xs" w="9rem" label={s.days} min={1} max={365} value={days} onChange={setDays} />
        <Button size="xs" variant="default" loading={impact.isFetching} onClick={() => setWanted(Number(days) || DAYS)}>
          {s.impactRun}
        </Button>
      </Group>
      {impact.error && <ProblemNotice error={impact.error} retry={() => impact.refetch()} />}
      {impact.data && <ImpactTable impact={impact.data} />}
    </Stack>
  );
}

function ImpactTable({ impact }: { impact: Schemas['PolicyImpact'] }) {
  const t = useT();
  const s = useTexts(policies);
  const format = useFormat();
  return (
    <>
      <div role="status">
        <Text size="sm" fw={700}>
          {s.impactOf(format.number(impact.calls), format.number(impact.changed))}
        </Text>
        {impact.skipped > 0 && <Text size="sm">{s.impactSkipped(format.number(impact.skipped))}</Text>}
      </div>
      {impact.changes.length === 0 ? (
        <Text size="sm">{s.impactNone}</Text>
      ) : (
        <SmallTable
          label={s.impact}
          head={[s.whom, s.target, t.audit.class, s.before, s.after, s.calls, s.last, t.audit.policiesThatDecided]}
          rows={impact.changes.map((one) => ({
            key: `${one.principal} ${one.target} ${one.before} ${one.after}`,
            cells: [
              <Person key="whom" id={one.principal} link />,
              one.target,
              <ClassMark key="class" name={one.class} />,
              <DecisionMark key="before" decision={one.before} />,
              <DecisionMark key="after" decision={one.after} />,
              format.number(one.calls),
              <Moment key="last" time={one.last} />,
              listed(one.policies) || t.audit.noPolicy,
            ],
          }))}
        />
      )}
      {impact.left_out > 0 && <Text size="sm">{s.impactLeftOut(format.number(impact.left_out))}</Text>}
    </>
  );
}
