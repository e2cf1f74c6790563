import { Checkbox, Group, Stack, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { listed, useTexts } from '../../i18n/index.tsx';
import { rehearsal } from '../../i18n/rehearsal.ts';
import { Fields } from '../../parts/Details.tsx';
import { Editor } from '../../parts/Editor.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { ClassMark } from '../../parts/marks.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { RefusalCode } from '../../parts/RefusalCode.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';

const TONES: Record<string, Tone> = { allowed: 'good', approval: 'info', refused: 'warn' };
const STAGES = ['authenticate', 'resolve', 'validate', 'authorize', 'inspect_input', 'approve'];

interface Property {
  type?: string | string[];
  default?: unknown;
}

/** Arguments to begin with: what the tool requires, empty. */
function sample(served: unknown): string {
  const schema = (served as { inputSchema?: { properties?: Record<string, Property>; required?: string[] } }).inputSchema ?? {};
  const blank = (property: Property | undefined) => {
    if (property?.default !== undefined) return property.default;
    const type = Array.isArray(property?.type) ? property.type[0] : property?.type;
    if (type === 'number' || type === 'integer') return 0;
    if (type === 'boolean') return false;
    if (type === 'array') return [];
    return type === 'object' ? {} : '';
  };
  const needed = (schema.required ?? []).map((name) => [name, blank(schema.properties?.[name])]);
  return JSON.stringify(Object.fromEntries(needed), null, 2);
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Tries a tool as oneself or as somebody else, without calling it. */
export function Rehearsal({ tool }: { tool: Schemas['ToolDetails'] }) {
  const s = useTexts(rehearsal);
  const [user, setUser] = useState('');
  const [mfa, setMfa] = useState(false);
  const [text, setText] = useState(() => sample(tool.served));
  const given = objectOf(text);
  const trying = useMutation({
    mutationFn: () =>
      answer(
        api.POST('/api/v1/connectors/{connector}/tools/{tool}/rehearse', {
          params: { path: { connector: tool.connector, tool: tool.name } },
          body: { arguments: given as never, mfa, ...(user ? { user } : {}) },
        }),
      ),
  });
  return (
    <Section title={s.title}>
      <Stack gap="sm">
        <Text size="sm">{s.lead}</Text>
        <TextInput label={s.user} placeholder={s.userHint} value={user} onChange={(event) => setUser(event.currentTarget.value.trim())} />
        <Checkbox label={s.mfa} checked={mfa} onChange={(event) => setMfa(event.currentTarget.checked)} />
        <Editor label={s.arguments} value={text} change={setText} />
        <Group>
          <GuardedButton area="catalog" loading={trying.isPending} unless={given ? undefined : s.notJson} onClick={() => trying.mutate()}>
            {s.run}
          </GuardedButton>
        </Group>
        {trying.error && <ProblemNotice error={trying.error} />}
        <div role="status">{trying.data && <Outcome of={trying.data} />}</div>
      </Stack>
    </Section>
  );
}

function Outcome({ of }: { of: Schemas['Rehearsal'] }) {
  const s = useTexts(rehearsal);
  const findings = (of.inspection as unknown as { findings?: { type: string; action: string; count: number }[] }).findings ?? [];
  return (
    <Stack gap="sm">
      <div className="marks">
        <Mark tone={TONES[of.outcome] ?? 'plain'}>{s.outcomes[of.outcome] ?? of.outcome}</Mark>
      </div>
      <Fields
        of={[
          [s.as, of.principal],
          [s.class, of.class && <ClassMark key="class" name={of.class} />],
          [s.why, of.message],
          [s.code, of.code && <RefusalCode key="code" code={of.code} />],
          [s.policies, listed(of.policies)],
        ]}
      />
      <SmallTable label={s.stage} head={[s.stage, '']} rows={STAGES.map((name) => ({ key: name, cells: [s.stages[name], standing(of, name, s)] }))} />
      {of.demands.length > 0 && (
        <SmallTable
          label={s.demands}
          head={[s.demands, s.why, s.policies]}
          rows={of.demands.map((one) => ({
            key: one.policy,
            cells: [s.demand(one.quorum, listed(one.approvers)), one.reason, one.policy],
          }))}
        />
      )}
      {findings.length > 0 && (
        <SmallTable
          label={s.findings}
          head={[s.type, s.count, s.action]}
          rows={findings.map((one) => ({ key: `${one.type} ${one.action}`, cells: [one.type, one.count, one.action] }))}
        />
      )}
      {of.arguments_changed && <Text size="sm">{s.changed}</Text>}
    </Stack>
  );
}

/** How a stage of the road ended. */
function standing(of: Schemas['Rehearsal'], name: string, s: (typeof rehearsal)['en']): string {
  const end = of.outcome === 'approval' ? 'approve' : of.stage;
  if (end == null) return s.passed;
  const [here, there] = [STAGES.indexOf(name), STAGES.indexOf(end)];
  if (here < there) return s.passed;
  if (here > there) return s.notReached;
  return of.outcome === 'approval' ? s.asked : s.stopped;
}
