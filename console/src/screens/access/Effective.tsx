import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { listed, useT, useTexts } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { To } from '../../parts/links.tsx';
import { ClassMark, DecisionMark } from '../../parts/marks.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { Waiting } from '../../parts/Waiting.tsx';

/** What somebody can call, or who can call something: by the policies in force, each with why. */
export function Effective() {
  const t = useT();
  const s = useTexts(policies);
  const [filters, change] = useFilters();
  const { principal, of: tool } = filters;
  return (
    <Stack>
      <Text size="sm">{s.reachLead}</Text>
      <Group align="end" gap="sm">
        <Question
          key={`of ${principal}`}
          label={t.policies.who}
          hint={t.policies.whoHint}
          value={principal ?? ''}
          ask={(principal) => change({ principal, of: undefined }, 'push')}
        />
        <Question
          key={`to ${tool}`}
          label={t.policies.tool}
          hint="crm/update_customer"
          value={tool ?? ''}
          ask={(of) => change({ of, principal: undefined }, 'push')}
        />
      </Group>
      {principal ? <WhatCan principal={principal} /> : tool ? <WhoCan tool={tool} /> : <EmptyState title={s.askFirst} next={s.askFirstNext} />}
    </Stack>
  );
}

interface QuestionProps {
  label: string;
  hint: string;
  value: string;
  ask: (value: string) => void;
}

function Question({ label, hint, value, ask }: QuestionProps) {
  const s = useTexts(policies);
  const [typed, setTyped] = useState(value);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed.trim()) ask(typed.trim());
  };
  return (
    <form onSubmit={submit} className="question">
      <TextInput size="sm" label={label} placeholder={hint} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} />
      <Button type="submit" variant="default" aria-label={`${s.ask}: ${label}`}>
        {s.ask}
      </Button>
    </form>
  );
}

/** The cells of a row: at worst, at best, and the policies that are why. */
function useReach() {
  const s = useTexts(policies);
  return (reach: Schemas['Reach'], why: Record<string, string>) => [
    <DecisionMark key="worst" decision={reach.worst} />,
    <DecisionMark key="best" decision={reach.best} />,
    <div key="why">
      {listed(reach.permits)}
      {reach.forbids.length > 0 && ` （${s.forbids}: ${listed(reach.forbids)}）`}{' '}
      <To to="/policies" search={{ tab: 'test', ...why }}>
        {s.explain}
      </To>
    </div>,
  ];
}

function pathOf(tool: string) {
  const [connector = '', ...name] = tool.split('/');
  return { connector, tool: name.join('/') };
}

function WhatCan({ principal }: { principal: string }) {
  const t = useT();
  const s = useTexts(policies);
  const cells = useReach();
  const found = useQuery({
    queryKey: ['policies', 'what-can', principal],
    queryFn: () => answer(api.GET('/api/v1/access/what-can', { params: { query: { principal } } })),
  });
  if (found.error) return <ProblemNotice error={found.error} retry={() => found.refetch()} />;
  if (!found.data) return <Waiting />;
  if (found.data.items.length === 0) return <EmptyState title={s.nothing} next={s.nothingNext} />;
  const { principal: id } = found.data;
  return (
    <SmallTable
      label={s.whatCan}
      head={[t.policies.tool, t.audit.class, s.worst, s.best, s.why]}
      rows={found.data.items.map((one) => ({
        key: one.tool,
        cells: [one.tool, <ClassMark key="class" name={one.class} />, ...cells(one.reach, { user: id, ...pathOf(one.tool) })],
      }))}
    />
  );
}

function WhoCan({ tool }: { tool: string }) {
  const t = useT();
  const s = useTexts(policies);
  const cells = useReach();
  const found = useQuery({
    queryKey: ['policies', 'who-can', tool],
    queryFn: () => answer(api.GET('/api/v1/access/who-can', { params: { query: { tool } } })),
  });
  if (found.error) return <ProblemNotice error={found.error} retry={() => found.refetch()} />;
  if (!found.data) return <Waiting />;
  if (found.data.items.length === 0) return <EmptyState title={s.nobodyCan} next={s.nobodyCanNext} />;
  return (
    <SmallTable
      label={s.whoCan}
      head={[t.audit.who, t.audit.kind, s.worst, s.best, s.why]}
      rows={found.data.items.map((one) => ({
        key: one.principal,
        cells: [one.name, t.kinds[one.kind] ?? one.kind, ...cells(one.reach, { user: one.principal, ...pathOf(tool) })],
      }))}
    />
  );
}
