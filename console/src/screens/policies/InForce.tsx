import { Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT } from '../../i18n/index.tsx';
import { Cedar } from '../../parts/Cedar.tsx';
import { Fields } from '../../parts/Details.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Waiting } from '../../parts/Waiting.tsx';

/** A version, or the one in force. */
export function usePolicySet(version: string | undefined) {
  return useQuery({
    queryKey: ['policies', 'set', version],
    queryFn: () => answer(api.GET('/api/v1/policies/{version}', { params: { path: { version: version ?? '' } } })),
    enabled: version !== undefined,
  });
}

export function InForce() {
  const set = usePolicySet('active');
  if (set.error) return <ProblemNotice error={set.error} retry={() => set.refetch()} />;
  return set.data ? <PolicySetView set={set.data} /> : <Waiting />;
}

export function PolicySetView({ set }: { set: Schemas['PolicySetView'] }) {
  const t = useT();
  return (
    <Stack gap="sm">
      <Fields
        of={[
          [t.policies.versionLabel, t.policies.version(set.version)],
          [t.policies.author, <Person key="author" id={set.author} link />],
          [t.policies.savedAt, <Moment key="saved" time={set.created_at} />],
          [t.policies.activatedBy, set.activated_by && <Person key="by" id={set.activated_by} link />],
          [t.policies.activatedAt, set.activated_at && <Moment key="activated" time={set.activated_at} />],
        ]}
      />
      <Cedar text={set.text} />
      {set.tests && (
        <details>
          <summary>{t.policies.tests}</summary>
          <pre className="code">{set.tests}</pre>
        </details>
      )}
    </Stack>
  );
}
