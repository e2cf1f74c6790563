import { Group, Stack, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { inspection } from '../../i18n/inspection.ts';
import { Details, Fields } from '../../parts/Details.tsx';
import { Editor, type EditorHandle } from '../../parts/Editor.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { FlawList } from '../../parts/FlawList.tsx';
import { flawsOf } from '../../parts/flaws.ts';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { ActiveMark } from '../../parts/marks.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { succeeded } from '../../parts/notices.ts';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { Waiting } from '../../parts/Waiting.tsx';

const AREA = 'inspection';
/** TOML's own words for a place. */
const PLACE = /line (\d+), column (\d+)/;

/** A version of the rules, the one in force, or those that are shipped. */
function useRules(version: string | undefined) {
  return useQuery({
    queryKey: [AREA, 'rules', version],
    queryFn: () =>
      answer(api.GET('/api/v1/inspection-rules/{version}', { params: { path: { version: version ?? '' } } })),
    enabled: version !== undefined,
  });
}

export function Rules() {
  const [filters] = useFilters();
  return filters.from === undefined ? <Versions /> : <RulesEditor from={filters.from} />;
}

function Versions() {
  const s = useTexts(inspection);
  const [filters, change] = useFilters();
  const rules = useRules(filters.open);
  const inForce = useRules('active');
  return (
    <>
      <Group justify="space-between" mb="xs">
        <Text size="sm" className="tab-lead">
          {s.rulesLead} {inForce.data?.version === 0 && s.shippedInForce}
        </Text>
        <Group gap="xs">
          <GuardedButton area={AREA} action="view" size="xs" variant="default" onClick={() => change({ open: 'shipped' }, 'push')}>
            {s.shipped}
          </GuardedButton>
          <GuardedButton area={AREA} size="xs" onClick={() => change({ from: 'active', open: undefined }, 'push')}>
            {s.editActive}
          </GuardedButton>
        </Group>
      </Group>
      <Listing<Schemas['InspectionRulesEntry']>
        label={s.rules}
        queryKey={[AREA, 'versions']}
        fetch={(cursor, signal) =>
          answer(api.GET('/api/v1/inspection-rules', { params: { query: { limit: 200, ...(cursor ? { cursor } : {}) } }, signal }))
        }
        rowKey={(one) => String(one.version)}
        open={(one) => change({ open: String(one.version) }, 'push')}
        columns={[
          { label: s.rules, width: '8rem', cell: (one) => s.version(String(one.version)) },
          { label: s.state, width: '7rem', cell: (one) => <ActiveMark active={one.active} words={[s.active, s.notActive]} /> },
          { label: s.author, cell: (one) => <Person id={one.author} /> },
          { label: s.savedAt, width: '12.5rem', cell: (one) => <Moment time={one.created_at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={s.noRules} next={s.shippedInForce} />}
      />
      <Details
        title={rules.data && (rules.data.version === 0 ? s.shipped : s.version(String(rules.data.version)))}
        opened={filters.open !== undefined}
        close={() => change({ open: undefined })}
        query={rules}
      >
        {(rules) => <RulesView rules={rules} />}
      </Details>
    </>
  );
}

function RulesView({ rules }: { rules: Schemas['InspectionRulesView'] }) {
  const s = useTexts(inspection);
  const [, change] = useFilters();
  const [dialog, confirm] = useConfirm();
  const version = String(rules.version);
  const activate = () =>
    confirm({
      title: s.activateTitle(version),
      consequence: s.activateText,
      verb: s.activate,
      done: s.savedActive(version),
      act: () =>
        answer(
          api.POST('/api/v1/inspection-rules/{version}/activate', { params: { path: { version: rules.version } } }),
        ),
      touches: [AREA],
    });
  return (
    <Stack>
      <Group gap="xs">
        {!rules.active && rules.version > 0 && (
          <GuardedButton area={AREA} size="xs" onClick={activate}>
            {s.activate}
          </GuardedButton>
        )}
        <GuardedButton
          area={AREA}
          size="xs"
          variant="default"
          onClick={() => change({ from: rules.version === 0 ? 'shipped' : version, open: undefined }, 'push')}
        >
          {s.edit}
        </GuardedButton>
      </Group>
      <Fields
        of={[
          [s.state, <ActiveMark key="state" active={rules.active} words={[s.active, s.notActive]} />],
          [s.author, <Person key="author" id={rules.author} link />],
          [s.savedAt, rules.created_at && <Moment key="saved" time={rules.created_at} />],
        ]}
      />
      <pre className="code" tabIndex={0}>
        {rules.text}
      </pre>
      {dialog}
    </Stack>
  );
}

function RulesEditor({ from }: { from: string }) {
  const base = useRules(from);
  if (base.error) return <ProblemNotice error={base.error} retry={() => base.refetch()} />;
  return base.data ? <RulesForm key={base.data.version} text={base.data.text} /> : <Waiting />;
}

function RulesForm({ text: given }: { text: string }) {
  const t = useT();
  const s = useTexts(inspection);
  const client = useQueryClient();
  const [, change] = useFilters();
  const [text, setText] = useState(given);
  const editor = useRef<EditorHandle>(null);
  const saving = useMutation({
    mutationFn: (activate: boolean) => answer(api.POST('/api/v1/inspection-rules', { body: { text, activate } })),
    onSuccess: (saved) => {
      client.invalidateQueries({ queryKey: [AREA] });
      const version = String(saved.version);
      succeeded(saved.active ? s.savedActive(version) : s.saved(version));
      change({ from: undefined, open: version }, 'push');
    },
  });
  const flaws = flawsOf(saving.error).map((flaw) => {
    const [, line, column] = PLACE.exec(flaw.detail) ?? [];
    return line === undefined ? flaw : { ...flaw, line: Number(line), column: Number(column) };
  });
  const lines = flaws.flatMap((flaw) => (flaw.line === undefined ? [] : [flaw.line]));
  return (
    <Stack gap="sm">
      <Text size="sm">{s.rulesLead}</Text>
      <Editor label={s.editor} value={text} change={setText} wrong={lines} handle={editor} />
      {flaws.length > 0 ? (
        <FlawList flaws={flaws} editor={editor} />
      ) : (
        saving.error && <ProblemNotice error={saving.error} />
      )}
      <Group justify="end" gap="xs">
        <GuardedButton area={AREA} action="view" variant="subtle" onClick={() => change({ from: undefined }, 'push')}>
          {t.common.cancel}
        </GuardedButton>
        <GuardedButton area={AREA} variant="default" loading={saving.isPending} onClick={() => saving.mutate(false)}>
          {s.save}
        </GuardedButton>
        <GuardedButton area={AREA} loading={saving.isPending} onClick={() => saving.mutate(true)}>
          {s.saveActivate}
        </GuardedButton>
      </Group>
    </Stack>
  );
}
