import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT } from '../../i18n/index.tsx';
import { Client } from '../../parts/Client.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { Waiting } from '../../parts/Waiting.tsx';

type Grant = Schemas['GrantView'];

/** What somebody allowed a client to do, and the button that takes it back. */
function useRevoke() {
  const t = useT();
  const [dialog, confirm] = useConfirm();
  const button = (grant: Grant) =>
    !grant.revoked_at && (
      <GuardedButton
        key="revoke"
        area="grants"
        size="compact-xs"
        variant="default"
        onClick={() =>
          confirm({
            title: t.access.revokeGrantTitle,
            consequence: t.access.revokeGrantText,
            verb: t.access.revokeGrant,
            done: t.access.grantRevoked,
            danger: true,
            act: () => answer(api.DELETE('/api/v1/grants/{id}', { params: { path: { id: grant.id } } })),
            touches: ['grants'],
          })
        }
      >
        {t.access.revokeGrant}
      </GuardedButton>
    );
  return { dialog, button };
}

/** The grants of a person, or those that a client has. */
export function GrantTable({ of }: { of: { subject: string } | { client: string } }) {
  const t = useT();
  const { dialog, button } = useRevoke();
  const grants = useQuery({
    queryKey: ['grants', of],
    queryFn: () => answer(api.GET('/api/v1/grants', { params: { query: of } })),
  });
  if (grants.error) return <ProblemNotice error={grants.error} />;
  if (!grants.data) return <Waiting />;
  const alive = grants.data.items.filter((grant) => grant.state === 'active');
  if (alive.length === 0) return <Text size="sm">{t.access.noGrants}</Text>;
  return (
    <>
      <SmallTable
        label={t.access.grants}
        head={['subject' in of ? t.audit.client : t.access.subject, t.access.scopes, t.access.lastUsed, '']}
        rows={alive.map((grant) => ({
          key: grant.id,
          cells: ['subject' in of ? <Client key="who" id={grant.client} /> : <Person key="who" id={grant.subject} link />, grant.scopes.join(' '), <Moment key="used" time={grant.last_used_at} />, button(grant)],
        }))}
      />
      {dialog}
    </>
  );
}
