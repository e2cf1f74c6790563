import { Group, Stack, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { Editor, type EditorHandle } from '../../parts/Editor.tsx';
import { FlawList } from '../../parts/FlawList.tsx';
import { flawsOf } from '../../parts/flaws.ts';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { useGo } from '../../parts/links.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Waiting } from '../../parts/Waiting.tsx';
import { TestResults } from './Checks.tsx';
import { usePolicySet } from './InForce.tsx';

/** A draft of the next version, begun from the one in the address or the one in force. */
export function Draft() {
  const [filters] = useFilters();
  const base = usePolicySet(filters.from ?? 'active');
  if (base.error) return <ProblemNotice error={base.error} retry={() => base.refetch()} />;
  return base.data ? <DraftForm key={base.data.version} base={base.data} /> : <Waiting />;
}

function DraftForm({ base }: { base: Schemas['PolicySetView'] }) {
  const t = useT();
  const s = useTexts(policies);
  const go = useGo();
  const client = useQueryClient();
  const [text, setText] = useState(base.text);
  const [tests, setTests] = useState(base.tests);
  const editor = useRef<EditorHandle>(null);
  const saving = useMutation({
    mutationFn: () => answer(api.POST('/api/v1/policies', { body: { text, tests } })),
    onSuccess: (saved) => {
      client.invalidateQueries({ queryKey: ['policies'] });
      succeeded(s.saved(t.policies.version(saved.version)));
      go('/policies', { tab: 'versions', open: String(saved.version) });
    },
  });
  const checking = useMutation({
    mutationFn: () => answer(api.POST('/api/v1/policies/check', { body: { text, tests } })),
    onMutate: () => saving.reset(),
  });
  // What was checked is another text by now.
  const edit = (set: (value: string) => void) => (value: string) => {
    checking.reset();
    set(value);
  };
  const error = saving.error ?? checking.error;
  const flaws = flawsOf(error);
  const lines = flaws.flatMap((flaw) => (flaw.member === 'text' && flaw.line !== undefined ? [flaw.line] : []));
  return (
    <Stack gap="sm">
      <Text size="sm">{s.draftLead}</Text>
      <Editor label={s.text} value={text} change={edit(setText)} wrong={lines} handle={editor} />
      <Editor label={s.testsText} value={tests} change={edit(setTests)} />
      {flaws.length > 0 ? (
        <FlawList flaws={flaws} editor={editor} />
      ) : (
        error && <ProblemNotice error={error} />
      )}
      {checking.data && <TestResults found={checking.data} />}
      <Group justify="end">
        <GuardedButton area="policies" variant="default" loading={checking.isPending} onClick={() => checking.mutate()}>
          {s.check}
        </GuardedButton>
        <GuardedButton area="policies" loading={saving.isPending} onClick={() => saving.mutate()}>
          {s.save}
        </GuardedButton>
      </Group>
    </Stack>
  );
}
