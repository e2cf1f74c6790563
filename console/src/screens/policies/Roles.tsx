import { Code, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { CLASSES, type Role, roleOf } from '../../api/roles.ts';
import { listed, useT, useTexts, useWording } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { Cedar } from '../../parts/Cedar.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { People } from '../../parts/Person.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { RoleEditor } from './RoleEditor.tsx';
import { type Cell, cellOf, grantInWords, titleOf } from './words.ts';

type RoleView = Schemas['RoleView'];

const TONES: Record<Cell, Tone> = { yes: 'good', conditions: 'info', approval: 'warn', no: 'plain' };

/** The roles of the policies in force as a matrix, and each of them closely or in the editor. */
export function Roles() {
  const [filters] = useFilters();
  if (filters.edit !== undefined || filters.new) return <RoleEditor name={filters.edit} />;
  return <Matrix />;
}

function Matrix() {
  const t = useT();
  const s = useTexts(policies);
  const { language } = useWording();
  const [filters, change] = useFilters();
  const { open } = filters;
  const role = useQuery({
    queryKey: ['policies', 'role', open],
    queryFn: () => answer(api.GET('/api/v1/roles/{name}', { params: { path: { name: open ?? '' } } })),
    enabled: open !== undefined,
  });
  const create = (
    <GuardedButton area="policies" size="xs" onClick={() => change({ new: 'yes' }, 'push')}>
      {s.newRole}
    </GuardedButton>
  );
  return (
    <>
      <Group justify="space-between" mb="xs">
        <Text size="sm" className="tab-lead">{s.roleLead}</Text>
        {create}
      </Group>
      <Listing<RoleView>
        label={t.policies.roles}
        queryKey={['policies', 'roles']}
        fetch={(cursor, signal) =>
          answer(api.GET('/api/v1/roles', { params: { query: { limit: 200, ...(cursor ? { cursor } : {}) } }, signal }))
        }
        rowKey={(role) => role.name}
        open={(role) => change({ open: role.name }, 'push')}
        columns={[
          { label: t.access.name, width: 'minmax(0, 1.5fr)', cell: (role) => titleOf(roleOf(role), language) },
          ...CLASSES.map((one) => ({
            label: t.classes[one] ?? one,
            width: 'minmax(4.5rem, 0.7fr)',
            cell: (role: RoleView) => <CellMark cell={cellOf(roleOf(role), one)} />,
            wideOnly: one !== 'read',
          })),
          { label: s.members, cell: (role) => <Members of={roleOf(role)} />, wideOnly: true },
        ]}
        empty={<EmptyState title={t.policies.noRoles} next={t.policies.noRolesNext} action={create} />}
      />
      <Details title={open} opened={open !== undefined} close={() => change({ open: undefined })} query={role}>
        {(role) => <RoleDetails view={role} />}
      </Details>
    </>
  );
}

function CellMark({ cell }: { cell: Cell }) {
  const s = useTexts(policies);
  return cell === 'no' ? <span>{s.cells.no}</span> : <Mark tone={TONES[cell]}>{s.cells[cell]}</Mark>;
}

function Members({ of: { members } }: { of: Role }) {
  const s = useTexts(policies);
  const [groups, people] = [members?.groups ?? [], members?.principals ?? []];
  return groups.length + people.length > 0 ? <People after={groups} ids={people} /> : <>{s.nobody}</>;
}

function RoleDetails({ view }: { view: RoleView }) {
  const t = useT();
  const s = useTexts(policies);
  const [, change] = useFilters();
  const [dialog, confirm] = useConfirm();
  const role = roleOf(view);
  const remove = () =>
    confirm({
      title: s.removeRoleTitle(role.name),
      consequence: s.removeRoleText,
      verb: s.removeRole,
      done: s.removeRoleText,
      danger: true,
      act: async () => {
        const saved = await answer(api.DELETE('/api/v1/roles/{name}', { params: { path: { name: role.name } } }));
        change({ tab: 'versions', open: String(saved.version) }, 'push');
      },
      touches: ['policies'],
    });
  return (
    <Stack>
      <Group gap="xs">
        <GuardedButton area="policies" size="xs" onClick={() => change({ edit: role.name, open: undefined }, 'push')}>
          {s.editRole}
        </GuardedButton>
        <GuardedButton area="policies" size="xs" variant="default" onClick={remove}>
          {s.removeRole}
        </GuardedButton>
      </Group>
      <Fields
        of={[
          [s.roleName, role.name],
          [s.titleJa, role.title?.ja],
          [s.titleEn, role.title?.en],
          [s.description, role.description],
          [s.memberGroups, listed(role.members?.groups ?? [])],
          [s.memberPeople, role.members?.principals?.length ? <People key="people" ids={role.members.principals} /> : null],
        ]}
      />
      <Section title={s.grants}>
        <SmallTable
          label={s.grants}
          head={[s.may, s.of, s.data, s.conditions, s.approval]}
          rows={role.grants.map((grant, place) => ({ key: String(place), cells: grantInWords(t, s, grant) }))}
        />
      </Section>
      <Section title={t.policies.becomes}>
        <Cedar text={view.policies} />
      </Section>
      <details>
        <summary>{s.declared}</summary>
        <Code block>{JSON.stringify(role, null, 2)}</Code>
      </details>
      {dialog}
    </Stack>
  );
}
