import { Code } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT } from '../../i18n/index.tsx';
import { Cedar } from '../../parts/Cedar.tsx';
import { Details } from '../../parts/Details.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { Listing } from '../../parts/Listing.tsx';
import { Section } from '../../parts/Section.tsx';

/** The roles of the policies in force, and the policies that each becomes. */
export function Roles() {
  const t = useT();
  const [filters, change] = useFilters();
  const { open } = filters;
  const role = useQuery({
    queryKey: ['policies', 'role', open],
    queryFn: () => answer(api.GET('/api/v1/roles/{name}', { params: { path: { name: open ?? '' } } })),
    enabled: open !== undefined,
  });
  return (
    <>
      <Listing<Schemas['RoleView']>
        label={t.policies.roles}
        queryKey={['policies', 'roles']}
        fetch={(cursor, signal) =>
          answer(api.GET('/api/v1/roles', { params: { query: { limit: 200, ...(cursor ? { cursor } : {}) } }, signal }))
        }
        rowKey={(role) => role.name}
        open={(role) => change({ open: role.name }, 'push')}
        columns={[{ label: t.access.name, cell: (role) => role.name }]}
        empty={<EmptyState title={t.policies.noRoles} next={t.policies.noRolesNext} />}
      />
      <Details title={open} opened={open !== undefined} close={() => change({ open: undefined })} query={role}>
        {(role) => (
          <>
            <Section title={t.policies.role}>
              <Code block>{JSON.stringify(role.role, null, 2)}</Code>
            </Section>
            <Section title={t.policies.becomes}>
              <Cedar text={role.policies} />
            </Section>
          </>
        )}
      </Details>
    </>
  );
}
