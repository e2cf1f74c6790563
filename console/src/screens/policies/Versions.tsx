import { Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { Cedar } from '../../parts/Cedar.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { Diff } from '../../parts/Diff.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Person } from '../../parts/Person.tsx';
import { Section } from '../../parts/Section.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { Impact, Tests } from './Checks.tsx';
import { usePolicySet } from './InForce.tsx';
import { Lifecycle } from './Lifecycle.tsx';

const TONES: Record<string, Tone> = {
  draft: 'plain',
  rejected: 'bad',
  log_only: 'warn',
  approved: 'info',
  active: 'good',
  retired: 'plain',
};

/** Where a version stands, in a word. */
export function VersionMark({ state }: { state: string }) {
  const s = useTexts(policies);
  return <Mark tone={TONES[state] ?? 'plain'}>{s.states[state] ?? state}</Mark>;
}

export function Versions() {
  const t = useT();
  const s = useTexts(policies);
  const [filters, change] = useFilters();
  const [dialog, confirm] = useConfirm();
  const set = usePolicySet(filters.open);
  const rollBack = () =>
    confirm({
      title: s.rollBackTitle,
      consequence: s.rollBackText,
      verb: s.rollBack.replace('…', ''),
      done: s.rolledBack,
      danger: true,
      act: () => answer(api.POST('/api/v1/policies/rollback')),
      touches: ['policies'],
    });
  return (
    <>
      <Group justify="end" mb="xs" gap="xs">
        <GuardedButton area="policies" size="xs" variant="default" onClick={rollBack}>
          {s.rollBack}
        </GuardedButton>
        <GuardedButton area="policies" size="xs" onClick={() => change({ tab: 'draft' }, 'push')}>
          {s.draft}
        </GuardedButton>
      </Group>
      <Listing<Schemas['PolicyVersionView']>
        label={t.policies.versions}
        queryKey={['policies', 'versions']}
        fetch={(_, signal) => answer(api.GET('/api/v1/policies', { signal }))}
        rowKey={(one) => String(one.version)}
        open={(one) => change({ open: String(one.version) }, 'push')}
        columns={[
          { label: t.policies.versionLabel, width: '8rem', cell: (one) => t.policies.version(one.version) },
          { label: t.policies.state, width: '8rem', cell: (one) => <VersionMark state={one.state} /> },
          { label: t.policies.author, cell: (one) => <Person id={one.author} /> },
          { label: t.policies.savedAt, width: '12.5rem', cell: (one) => <Moment time={one.created_at} />, wideOnly: true },
          { label: t.policies.activatedBy, cell: (one) => (one.activated_by ? <Person id={one.activated_by} /> : '–'), wideOnly: true },
          { label: t.policies.activatedAt, width: '12.5rem', cell: (one) => <Moment time={one.activated_at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={t.policies.none} next={t.policies.noneNext} />}
      />
      <Details
        title={filters.open && t.policies.version(Number(filters.open))}
        opened={filters.open !== undefined}
        close={() => change({ open: undefined })}
        query={set}
      >
        {(set) => <VersionView key={set.version} set={set} />}
      </Details>
      {dialog}
    </>
  );
}

function VersionView({ set }: { set: Schemas['PolicySetView'] }) {
  const t = useT();
  const s = useTexts(policies);
  return (
    <Stack>
      <Lifecycle set={set} />
      <Fields
        of={[
          [t.policies.state, <VersionMark key="state" state={set.state} />],
          [t.policies.author, <Person key="author" id={set.author} link />],
          [t.policies.savedAt, <Moment key="saved" time={set.created_at} />],
          [t.policies.activatedBy, set.activated_by && <Person key="by" id={set.activated_by} link />],
          [t.policies.activatedAt, set.activated_at && <Moment key="activated" time={set.activated_at} />],
        ]}
      />
      <Section title={s.history}>
        <Steps version={set.version} />
      </Section>
      {!set.active && (
        <Section title={s.changes}>
          <Changes set={set} />
        </Section>
      )}
      <Section title={s.tests}>
        <Tests version={set.version} />
      </Section>
      <Section title={s.impact}>
        <Impact version={set.version} />
      </Section>
      <Section title={s.whole}>
        <Cedar text={set.text} />
        {set.tests && (
          <details>
            <summary>{t.policies.tests}</summary>
            <pre className="code" tabIndex={0}>
              {set.tests}
            </pre>
          </details>
        )}
      </Section>
    </Stack>
  );
}

/** Who did what to a version, oldest first. */
function Steps({ version }: { version: number }) {
  const s = useTexts(policies);
  const found = useQuery({
    queryKey: ['policies', 'steps', version],
    queryFn: () => answer(api.GET('/api/v1/policies/{version}/steps', { params: { path: { version } } })),
  });
  const steps = found.data?.steps ?? [];
  if (found.data && steps.length === 0) return <Text size="sm">{s.noSteps}</Text>;
  return (
    <ol className="story">
      {steps.map((step) => (
        <li key={step.at + step.step}>
          <strong>{s.steps[step.step] ?? step.step}</strong> <Person id={step.by} link /> <Moment time={step.at} />
          {step.note && <Text size="sm">{s.notes[step.note] ?? step.note}</Text>}
        </li>
      ))}
    </ol>
  );
}

function Changes({ set }: { set: Schemas['PolicySetView'] }) {
  const s = useTexts(policies);
  const active = usePolicySet('active');
  if (!active.data) return null;
  if (active.data.text === set.text) return <Text size="sm">{s.noChanges}</Text>;
  return <Diff before={active.data.text} after={set.text} />;
}
