import { Checkbox, Code, Group, Radio, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { listed, useT, useTexts } from '../../i18n/index.tsx';
import { review } from '../../i18n/review.ts';
import { Details, Fields } from '../../parts/Details.tsx';
import { Diff } from '../../parts/Diff.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { ToButton } from '../../parts/links.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { ClassMark, ReviewMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { succeeded } from '../../parts/notices.ts';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { Constraints } from './Constraints.tsx';
import { Rehearsal } from './Rehearsal.tsx';

type Tool = Schemas['ToolDetails'];

const CLASSES = ['read', 'create', 'update', 'delete', 'admin'];

const pathOf = (id: string) => {
  const [connector = '', ...name] = id.split('/');
  return { connector, tool: name.join('/') };
};

/** A tool: what it says of itself, what changed since it was reviewed, and the review. */
export function ToolDrawer({ id, close }: { id: string | undefined; close: () => void }) {
  const tool = useQuery({
    queryKey: ['catalog', 'tool', id],
    queryFn: () => answer(api.GET('/api/v1/connectors/{connector}/tools/{tool}', { params: { path: pathOf(id ?? '') } })),
    enabled: id !== undefined,
  });
  return (
    <Details title={id} opened={id !== undefined} close={close} query={tool}>
      {(tool) => <ToolView key={tool.definition} tool={tool} />}
    </Details>
  );
}

function ToolView({ tool }: { tool: Tool }) {
  const t = useT();
  const s = useTexts(review);
  return (
    <Stack>
      <Fields
        of={[
          [t.catalog.class, <ClassMark key="class" name={tool.class} />],
          [t.catalog.review, <ReviewMark key="review" state={tool.review_state} />],
          [s.quarantined, tool.quarantined && s.quarantinedText],
          [t.catalog.title, tool.title],
          [t.catalog.description, tool.description],
          [t.catalog.suggested, <ClassMark key="suggested" name={tool.suggested} />],
          [t.catalog.dataClasses, listed(tool.data_classes)],
          [t.catalog.firstSeen, <Moment key="first" time={tool.first_seen} />],
          [t.catalog.reviewedBy, tool.reviewer && <Person key="reviewer" id={tool.reviewer} link />],
          [t.catalog.reviewedAt, tool.reviewed_at && <Moment key="reviewed" time={tool.reviewed_at} />],
        ]}
      />
      <Group>
        <ToButton to="/audit" search={{ connector: tool.connector, tool: tool.name }}>
          {t.catalog.calls}
        </ToButton>
        <ToButton to="/access" search={{ tab: 'stops', stop: 'tool', of: `${tool.connector}/${tool.name}` }}>
          {t.access.stop}
        </ToButton>
      </Group>
      {tool.findings.length > 0 && <Findings tool={tool} />}
      {tool.changes.length > 0 && <Changes tool={tool} />}
      <Review tool={tool} />
      <Constraints connector={tool.connector} tool={tool.name} />
      <Rehearsal tool={tool} />
      <Section title={t.catalog.definition}>
        <details>
          <summary>{t.audit.raw}</summary>
          <Code block>{JSON.stringify(tool.served, null, 2)}</Code>
        </details>
      </Section>
    </Stack>
  );
}

/** Places at which the definition seems to talk to the model rather than about the tool. */
function Findings({ tool }: { tool: Tool }) {
  const s = useTexts(review);
  return (
    <Section title={s.findings}>
      <Text size="sm">{s.findingsText}</Text>
      <SmallTable
        label={s.findings}
        head={[s.ruse, s.where, s.excerpt]}
        rows={tool.findings.map((one) => ({
          key: `${one.ruse} ${one.pointer} ${one.excerpt}`,
          cells: [
            <Mark key="ruse" tone="bad">
              {s.ruses[one.ruse] ?? one.ruse}
            </Mark>,
            <Code key="where">{one.pointer}</Code>,
            <Code key="excerpt" block className="argument">
              {one.excerpt}
            </Code>,
          ],
        }))}
      />
    </Section>
  );
}

const inJson = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value, null, 2));

/** What differs between the definition that was reviewed and the one served now. */
function Changes({ tool }: { tool: Tool }) {
  const t = useT();
  const s = useTexts(review);
  return (
    <Section title={t.catalog.changes}>
      <SmallTable
        label={t.catalog.changes}
        head={[s.pointer, s.before, s.after]}
        rows={tool.changes.map((one) => ({
          key: one.pointer,
          cells: [
            <Code key="pointer">{one.pointer || '/'}</Code>,
            one.before === undefined ? s.fresh : <Code key="before" block className="argument">{inJson(one.before)}</Code>,
            one.after === undefined ? s.gone : <Code key="after" block className="argument">{inJson(one.after)}</Code>,
          ],
        }))}
      />
      {tool.reviewed != null && (
        <details>
          <summary>{s.whole}</summary>
          <Diff before={JSON.stringify(tool.reviewed, null, 2)} after={JSON.stringify(tool.served, null, 2)} />
        </details>
      )}
    </Section>
  );
}

function Review({ tool }: { tool: Tool }) {
  const t = useT();
  const s = useTexts(review);
  const [accepted, setAccepted] = useState(false);
  const [idempotent, setIdempotent] = useState(tool.idempotent);
  const suspicious = tool.findings.length > 0;
  const client = useQueryClient();
  const [choice, setChoice] = useState(tool.review_state === 'classified' ? tool.class : '');
  const [dataClasses, setDataClasses] = useState(tool.data_classes.join(', '));
  const name = `${tool.connector}/${tool.name}`;
  const saving = useMutation({
    mutationFn: () =>
      answer(
        api.PUT('/api/v1/connectors/{connector}/tools/{tool}/review', {
          params: { path: pathOf(name) },
          body: {
            class: choice,
            definition: tool.definition,
            data_classes: dataClasses.split(',').map((one) => one.trim()).filter(Boolean),
            idempotent,
            ...(suspicious ? { accept_findings: accepted } : {}),
          },
        }),
      ),
    onSuccess: () => {
      client.invalidateQueries({ queryKey: ['catalog'] });
      succeeded(t.catalog.reviewSaved(name));
    },
  });
  return (
    <Section title={t.catalog.decide}>
      <Stack gap="sm">
        <Text size="sm">{t.catalog.decideLead}</Text>
        <Radio.Group label={t.catalog.classChoice} value={choice} onChange={setChoice}>
          <Stack gap={6} mt={6}>
            {CLASSES.map((one) => (
              <Radio key={one} value={one} size="sm" label={t.classes[one]} description={t.catalog.classHints[one]} />
            ))}
          </Stack>
        </Radio.Group>
        <TextInput
          label={t.catalog.dataClasses}
          description={t.catalog.dataClassesHint}
          value={dataClasses}
          onChange={(event) => setDataClasses(event.currentTarget.value)}
        />
        <Checkbox
          label={s.idempotent}
          checked={idempotent}
          onChange={(event) => setIdempotent(event.currentTarget.checked)}
        />
        {suspicious && (
          <Checkbox label={s.accept} checked={accepted} onChange={(event) => setAccepted(event.currentTarget.checked)} />
        )}
        {saving.error && <ProblemNotice error={saving.error} />}
        <Group>
          <GuardedButton
            area="catalog"
            loading={saving.isPending}
            unless={choice === '' ? t.catalog.classChoice : suspicious && !accepted ? s.accept : undefined}
            onClick={() => saving.mutate()}
          >
            {t.catalog.saveReview}
          </GuardedButton>
        </Group>
      </Stack>
    </Section>
  );
}
