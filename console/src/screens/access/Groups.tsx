import { Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT } from '../../i18n/index.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { To } from '../../parts/links.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { Waiting } from '../../parts/Waiting.tsx';

export function Groups() {
  const t = useT();
  const [filters, change] = useFilters();
  const { open } = filters;
  const group = useQuery({
    queryKey: ['people', 'group', open],
    queryFn: () => answer(api.GET('/api/v1/groups/{id}', { params: { path: { id: open ?? '' } } })),
    enabled: open !== undefined,
  });
  return (
    <>
      <Listing<Schemas['GroupView']>
        label={t.access.groups}
        queryKey={['people', 'groups']}
        fetch={(cursor, signal) =>
          answer(api.GET('/api/v1/groups', { params: { query: { limit: 200, ...(cursor ? { cursor } : {}) } }, signal }))
        }
        rowKey={(group) => group.id}
        open={(group) => change({ open: group.id }, 'push')}
        columns={[
          { label: t.access.name, cell: (group) => group.display_name },
          { label: t.access.id, cell: (group) => group.name },
          { label: t.access.provider, cell: (group) => group.provider ?? '–', wideOnly: true },
          { label: t.access.changedAt, width: '12.5rem', cell: (group) => <Moment time={group.updated_at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={t.access.noGroups} next={t.access.noGroupsNext} />}
      />
      <Details
        title={group.data?.display_name}
        opened={open !== undefined}
        close={() => change({ open: undefined })}
        query={group}
      >
        {(group) => (
          <Stack>
            <Fields
              of={[
                [t.access.name, group.name],
                [t.access.provider, group.provider],
                [t.access.changedAt, <Moment key="changed" time={group.updated_at} />],
              ]}
            />
            <Section title={t.access.members}>
              <Members group={group.id} />
            </Section>
          </Stack>
        )}
      </Details>
    </>
  );
}

function Members({ group }: { group: string }) {
  const t = useT();
  const members = useQuery({
    queryKey: ['people', 'members', group],
    queryFn: () =>
      answer(api.GET('/api/v1/groups/{id}/members', { params: { path: { id: group }, query: { limit: 200 } } })),
  });
  if (members.error) return <ProblemNotice error={members.error} />;
  if (!members.data) return <Waiting />;
  if (members.data.items.length === 0) return <Text size="sm">{t.access.noMembers}</Text>;
  return (
    <ul>
      {members.data.items.map((member) => (
        <li key={member.id}>
          <To to="/access" search={member.kind === 'group' ? { tab: 'groups', open: member.id } : { open: member.id }}>
            {member.display_name}
          </To>
        </li>
      ))}
    </ul>
  );
}
