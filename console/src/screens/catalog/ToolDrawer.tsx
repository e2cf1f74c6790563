import { Code, Group, Radio, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT } from '../../i18n/index.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { Diff } from '../../parts/Diff.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { ToButton } from '../../parts/links.tsx';
import { ClassMark, ReviewMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';

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
  return (
    <Stack>
      <Fields
        of={[
          [t.catalog.class, <ClassMark key="class" name={tool.class} />],
          [t.catalog.review, <ReviewMark key="review" state={tool.review_state} />],
          [t.catalog.title, tool.title],
          [t.catalog.description, tool.description],
          [t.catalog.suggested, <ClassMark key="suggested" name={tool.suggested} />],
          [t.catalog.dataClasses, tool.data_classes.join('、')],
          [t.catalog.firstSeen, <Moment key="first" time={tool.first_seen} />],
          [t.catalog.reviewedBy, tool.reviewer],
          [t.catalog.reviewedAt, tool.reviewed_at && <Moment key="reviewed" time={tool.reviewed_at} />],
        ]}
      />
      <ToButton to="/audit" search={{ connector: tool.connector, tool: tool.name }}>
        {t.catalog.calls}
      </ToButton>
      {tool.reviewed !== undefined && tool.reviewed !== null && (
        <Section title={t.catalog.changes}>
          <Diff before={JSON.stringify(tool.reviewed, null, 2)} after={JSON.stringify(tool.served, null, 2)} />
        </Section>
      )}
      <Review tool={tool} />
      <Section title={t.catalog.definition}>
        <details>
          <summary>{t.audit.raw}</summary>
          <Code block>{JSON.stringify(tool.served, null, 2)}</Code>
        </details>
      </Section>
    </Stack>
  );
}

function Review({ tool }: { tool: Tool }) {
  const t = useT();
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
        {saving.error && <ProblemNotice error={saving.error} />}
        <Group>
          <GuardedButton
            area="catalog"
            loading={saving.isPending}
            unless={choice === '' ? t.catalog.classChoice : undefined}
            onClick={() => saving.mutate()}
          >
            {t.catalog.saveReview}
          </GuardedButton>
        </Group>
      </Stack>
    </Section>
  );
}
