import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { connectors } from '../../i18n/connectors.ts';
import { useTexts } from '../../i18n/index.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';

type Account = Schemas['LinkedAccount'];

/** The gate's own account, or one that all share. */
const GATE = 'gate';

/** With whose accounts calls are made at a system that is protected by OAuth. */
export function LinkedAccounts({ connector }: { connector: string }) {
  const s = useTexts(connectors);
  const [dialog, confirm] = useConfirm();
  const found = useQuery({
    queryKey: ['catalog', 'accounts', connector],
    queryFn: () =>
      answer(api.GET('/api/v1/connectors/{connector}/accounts', { params: { path: { connector }, query: { limit: 200 } } })),
  });
  const accounts = found.data?.items ?? [];
  const unlink = (owner: string) =>
    confirm({
      title: s.unlinkTitle,
      consequence: s.unlinkText,
      verb: s.unlink,
      done: s.unlinked,
      danger: true,
      act: () => answer(api.DELETE('/api/v1/connectors/{connector}/accounts/{owner}', { params: { path: { connector, owner } } })),
      touches: ['catalog'],
    });
  const state = ({ problem, wanted }: Account) => {
    if (problem) return <Mark tone="bad">{s.accountStates.again}</Mark>;
    return <Mark tone={wanted.length > 0 ? 'warn' : 'good'}>{s.accountStates[wanted.length > 0 ? 'wanted' : 'works']}</Mark>;
  };
  return (
    <Section title={s.accounts}>
      {found.error && <ProblemNotice error={found.error} />}
      {found.data && accounts.length === 0 && <Text size="sm">{s.noAccounts}</Text>}
      {accounts.length > 0 && (
        <SmallTable
          label={s.accounts}
          head={[s.accountOf, s.accountState, s.linkedAt, '']}
          rows={accounts.map((one) => ({
            key: one.owner,
            cells: [
              one.owner === GATE ? s.ofTheGate : <Person key="owner" id={one.owner} link />,
              state(one),
              <Moment key="at" time={one.linked_at} />,
              <GuardedButton key="unlink" area="catalog" size="compact-xs" variant="default" onClick={() => unlink(one.owner)}>
                {s.unlink}
              </GuardedButton>,
            ],
          }))}
        />
      )}
      {dialog}
    </Section>
  );
}
