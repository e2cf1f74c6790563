import { Button, Checkbox, Code, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { listed, useT } from '../../i18n/index.tsx';
import { Cedar } from '../../parts/Cedar.tsx';
import { Fields } from '../../parts/Details.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { Mark } from '../../parts/Mark.tsx';
import { ClassMark, DecisionMark } from '../../parts/marks.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { Waiting } from '../../parts/Waiting.tsx';

const FIELDS = ['user', 'groups', 'connector', 'tool'] as const;

/** The test bench: what would the policies say to a call? All of the question is in the address. */
export function Explain() {
  const t = useT();
  const [filters] = useFilters();
  const { user = '', connector = '', tool = '', groups = '', mfa } = filters;
  const asked = user !== '' && connector !== '' && tool !== '';
  const query = { user, connector, tool, mfa: mfa === 'yes', ...(groups ? { groups } : {}) };
  const explained = useQuery({
    queryKey: ['policies', 'explanation', query],
    queryFn: () => answer(api.GET('/api/v1/policies/active/explanation', { params: { query } })),
    enabled: asked,
  });
  return (
    <Stack>
      <Question key={JSON.stringify(query)} />
      {!asked && <EmptyState title={t.policies.askFirst} next={t.policies.askFirstNext} />}
      {explained.isFetching && !explained.data && <Waiting />}
      {explained.error && <ProblemNotice error={explained.error} retry={() => explained.refetch()} />}
      {asked && explained.data && <Answer explained={explained.data} />}
    </Stack>
  );
}

function Question() {
  const t = useT();
  const [filters, change] = useFilters();
  const [typed, setTyped] = useState(filters);
  const labels = { user: t.policies.who, groups: t.policies.groups, connector: t.policies.connector, tool: t.policies.tool };
  const hints: Partial<Record<(typeof FIELDS)[number], string>> = { user: t.policies.whoHint, groups: t.policies.groupsHint };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change(typed, 'push');
  };
  return (
    <form onSubmit={submit}>
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }} spacing="sm">
        {FIELDS.map((name) => (
          <TextInput
            key={name}
            label={labels[name]}
            placeholder={hints[name] ?? ''}
            required={name !== 'groups'}
            value={typed[name] ?? ''}
            onChange={(event) => setTyped({ ...typed, [name]: event.currentTarget.value.trim() })}
          />
        ))}
      </SimpleGrid>
      <div className="marks form-end">
        <Checkbox
          label={t.policies.mfa}
          checked={typed.mfa === 'yes'}
          onChange={(event) => setTyped({ ...typed, mfa: event.currentTarget.checked ? 'yes' : undefined })}
        />
        <Button type="submit">{t.policies.ask}</Button>
      </div>
    </form>
  );
}

function Answer({ explained }: { explained: Schemas['ExplanationView'] }) {
  const t = useT();
  return (
    <Stack aria-live="polite">
      <Fields
        of={[
          [t.audit.decision, <DecisionMark key="decision" decision={explained.decision} />],
          [t.audit.reason, explained.message],
          [t.policies.treatedAs, <ClassMark key="class" name={explained.class} />],
          [t.policies.effectiveGroups, listed(explained.groups)],
          [t.audit.policyVersion, String(explained.policy_version)],
        ]}
      />
      {explained.policies.length === 0 && <Text size="sm">{t.policies.noPolicies}</Text>}
      {explained.policies.map((policy) => (
        <Section key={policy.id} title={policy.id}>
          <div className="marks">
            <Mark tone={policy.effect === 'permit' ? 'good' : 'warn'}>
              {policy.effect === 'permit' ? t.policies.permit : t.policies.forbid}
            </Mark>
            <Mark tone={policy.outcome === 'decided' ? 'info' : policy.outcome === 'broken' ? 'bad' : 'plain'}>
              {t.policyOutcomes[policy.outcome] ?? policy.outcome}
            </Mark>
          </div>
          <Fields of={[[t.policies.notice, policy.notice], [t.policies.approval, policy.approval]]} />
          <Cedar text={policy.text} />
        </Section>
      ))}
      {explained.policies_left_out > 0 && <Text size="sm">{t.policies.leftOut(explained.policies_left_out)}</Text>}
      <details>
        <summary>{t.policies.context}</summary>
        <Code block>{JSON.stringify(explained.context, null, 2)}</Code>
        {explained.unknown.length > 0 && (
          <Text size="sm">
            {t.policies.unknown}: {listed(explained.unknown)}
          </Text>
        )}
      </details>
    </Stack>
  );
}
