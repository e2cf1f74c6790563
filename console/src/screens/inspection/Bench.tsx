import { Group, NativeSelect, Stack, Text, Textarea } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useFormat, useTexts } from '../../i18n/index.tsx';
import { inspection } from '../../i18n/inspection.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Marked } from '../../parts/Marked.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';

const AREA = 'inspection';
const ACTIONS: Record<string, Tone> = { allow: 'good', mask: 'info', redact: 'info', ask: 'warn', block: 'bad' };

async function tryText(text: string, version: string) {
  if (version === '') return answer(api.POST('/api/v1/inspect', { body: { text } }));
  const rules = await answer(api.GET('/api/v1/inspection-rules/{version}', { params: { path: { version } } }));
  return answer(api.POST('/api/v1/inspect', { body: { text, rules: rules.text } }));
}

/** What would be found in a text, and what each rule would do about it. */
export function Bench() {
  const s = useTexts(inspection);
  const [text, setText] = useState('');
  const [version, setVersion] = useState('');
  const versions = useQuery({
    queryKey: [AREA, 'versions', 'choice'],
    queryFn: () => answer(api.GET('/api/v1/inspection-rules', { params: { query: { limit: 50 } } })),
  });
  // What was looked at stays with its findings while the text changes.
  const looking = useMutation({
    mutationFn: async () => ({ text, found: await tryText(text, version) }),
  });
  const saved = (versions.data?.items ?? []).map(({ version }) => String(version));
  return (
    <Stack gap="sm">
      <Text size="sm">{s.benchLead}</Text>
      <Textarea
        label={s.text}
        description={s.textHint}
        autosize
        minRows={5}
        maxRows={16}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Group align="end" gap="sm">
        <NativeSelect
          label={s.by}
          value={version}
          data={[
            { value: '', label: s.inForce },
            { value: 'shipped', label: s.shipped },
            ...saved.map((value) => ({ value, label: s.version(value) })),
          ]}
          onChange={(event) => setVersion(event.currentTarget.value)}
        />
        <GuardedButton
          area={AREA}
          loading={looking.isPending}
          unless={text === '' ? s.textHint : undefined}
          onClick={() => looking.mutate()}
        >
          {s.look}
        </GuardedButton>
      </Group>
      {looking.error && <ProblemNotice error={looking.error} />}
      {looking.data && <Found text={looking.data.text} found={looking.data.found} />}
    </Stack>
  );
}

function Found({ text, found }: { text: string; found: Schemas['InspectionView'] }) {
  const s = useTexts(inspection);
  const format = useFormat();
  const { findings, would } = found;
  if (findings.length === 0) {
    return (
      <Text size="sm" role="status">
        {s.foundNone}
      </Text>
    );
  }
  return (
    <Stack>
      <div role="status">
        <Mark tone="warn">{s.found(format.number(findings.length))}</Mark>
      </div>
      <Section title={s.marked}>
        <pre className="code bench" tabIndex={0}>
          <Marked text={text} findings={findings} />
        </pre>
      </Section>
      <Section title={s.findings}>
        <SmallTable
          label={s.findings}
          head={[s.type, s.class, s.confidence, s.place]}
          rows={findings.map((one) => ({
            key: `${one.start} ${one.end} ${one.type}`,
            cells: [
              s.types[one.type] ?? one.type,
              s.classes[one.class] ?? one.class,
              `${one.confidence} %`,
              `${one.start + 1}–${one.end}`,
            ],
          }))}
        />
      </Section>
      <Section title={s.would}>
        {would.length === 0 ? (
          <Text size="sm">{s.wouldNone}</Text>
        ) : (
          <>
            <Text size="sm">{s.wouldNote}</Text>
            <SmallTable
              label={s.would}
              head={[s.type, s.direction, s.action, s.rule, s.message]}
              rows={would.map((one) => ({
                key: `${one.type} ${one.rule}`,
                cells: [
                  s.types[one.type] ?? one.type,
                  s.directions[one.direction ?? ''] ?? one.direction,
                  <Mark key="action" tone={ACTIONS[one.action] ?? 'plain'}>
                    {s.actions[one.action] ?? one.action}
                  </Mark>,
                  one.rule,
                  one.message,
                ],
              }))}
            />
          </>
        )}
      </Section>
      <Section title={s.masked}>
        <pre className="code bench" tabIndex={0}>
          {found.masked}
        </pre>
      </Section>
    </Stack>
  );
}
