import { Button, Group, NativeSelect, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api } from '../../api/client.ts';
import { type Grant, type Role, roleOf } from '../../api/roles.ts';
import { useT, useTexts, useWording } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { ListInput } from '../../parts/ListInput.tsx';
import { useGo } from '../../parts/links.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { Waiting } from '../../parts/Waiting.tsx';
import { GrantEditor } from './GrantEditor.tsx';
import { titleOf } from './words.ts';

/** Told of the draft that has the role; otherwise the draft is opened. */
type Saved = (version: number) => void;

const BLANK: Role = { name: '', grants: [{ classes: ['read'] }] };

/** A role in the editor: the one of that name, or a new one, perhaps begun from a template. */
export function RoleEditor({ name, saved }: { name: string | undefined; saved?: Saved }) {
  const role = useQuery({
    queryKey: ['policies', 'role', name],
    queryFn: () => answer(api.GET('/api/v1/roles/{name}', { params: { path: { name: name ?? '' } } })),
    enabled: name !== undefined,
  });
  const templates = useQuery({
    queryKey: ['policies', 'templates'],
    queryFn: () => answer(api.GET('/api/v1/role-templates')),
    enabled: name === undefined,
  });
  const error = role.error ?? templates.error;
  if (error) return <ProblemNotice error={error} />;
  if (name !== undefined) return role.data ? <RoleForm key={name} given={roleOf(role.data)} saved={saved} /> : <Waiting />;
  return templates.data ? <NewRole templates={templates.data.items.map(roleOf)} saved={saved} /> : <Waiting />;
}

function NewRole({ templates, saved }: { templates: Role[]; saved: Saved | undefined }) {
  const s = useTexts(policies);
  const { language } = useWording();
  const [filters, change] = useFilters();
  const chosen = templates.find((one) => one.name === filters.template);
  return (
    <Stack>
      <NativeSelect
        maw="24rem"
        label={s.template}
        value={chosen?.name ?? ''}
        data={[{ value: '', label: s.blank }, ...templates.map((one) => ({ value: one.name, label: titleOf(one, language) }))]}
        onChange={(event) => change({ template: event.currentTarget.value })}
      />
      <RoleForm key={chosen?.name ?? ''} given={chosen ?? BLANK} saved={saved} fresh />
    </Stack>
  );
}

/** Leaves out what says nothing. */
function cleaned(role: Role): Role {
  const title = Object.fromEntries(Object.entries(role.title ?? {}).filter(([, text]) => text.trim()));
  return { ...role, name: role.name.trim(), title };
}

function RoleForm({ given, saved, fresh = false }: { given: Role; saved: Saved | undefined; fresh?: boolean }) {
  const t = useT();
  const s = useTexts(policies);
  const go = useGo();
  const client = useQueryClient();
  const [role, setRole] = useState(given);
  const edit = (part: Partial<Role>) => setRole((before) => ({ ...before, ...part }));
  const setGrant = (place: number, grant: Grant) =>
    edit({ grants: role.grants.map((one, index) => (index === place ? grant : one)) });
  const saving = useMutation({
    mutationFn: () => {
      const sent = cleaned(role);
      return answer(api.PUT('/api/v1/roles/{name}', { params: { path: { name: sent.name } }, body: sent as never }));
    },
    onSuccess: ({ version }) => {
      client.invalidateQueries({ queryKey: ['policies'] });
      succeeded(s.roleSaved(t.policies.version(version)));
      if (saved) saved(version);
      else go('/policies', { tab: 'versions', open: String(version) });
    },
  });
  return (
    <Stack>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        <TextInput
          label={s.roleName}
          placeholder={s.roleNameHint}
          required
          disabled={!fresh}
          value={role.name}
          onChange={(event) => edit({ name: event.currentTarget.value })}
        />
        <TextInput
          label={s.description}
          value={role.description ?? ''}
          onChange={(event) => edit({ description: event.currentTarget.value })}
        />
        <TextInput
          label={s.titleJa}
          value={role.title?.ja ?? ''}
          onChange={(event) => edit({ title: { ...role.title, ja: event.currentTarget.value } })}
        />
        <TextInput
          label={s.titleEn}
          value={role.title?.en ?? ''}
          onChange={(event) => edit({ title: { ...role.title, en: event.currentTarget.value } })}
        />
        <ListInput
          label={s.memberGroups}
          hint={s.commas}
          value={role.members?.groups ?? []}
          change={(groups) => edit({ members: { ...role.members, groups } })}
        />
        <ListInput
          label={s.memberPeople}
          hint={s.commas}
          value={role.members?.principals ?? []}
          change={(principals) => edit({ members: { ...role.members, principals } })}
        />
      </SimpleGrid>
      <Section title={s.grants}>
        {role.grants.length === 0 && <Text size="sm">{s.nobody}</Text>}
        {role.grants.map((grant, place) => (
          <GrantEditor
            // Grants have no names: their places are what tells them apart.
            key={`${place} of ${role.grants.length}`}
            title={s.grant(String(place + 1))}
            grant={grant}
            change={(grant) => setGrant(place, grant)}
            remove={() => edit({ grants: role.grants.filter((_, index) => index !== place) })}
          />
        ))}
        <Group>
          <Button
            size="xs"
            variant="default"
            onClick={() => edit({ grants: [...role.grants, { classes: ['read'] }] })}
          >
            {s.addGrant}
          </Button>
        </Group>
      </Section>
      {saving.error && <ProblemNotice error={saving.error} />}
      <Group justify="end">
        {!saved && (
          <Button variant="default" onClick={() => go('/policies', { tab: 'roles' })}>
            {t.common.cancel}
          </Button>
        )}
        <GuardedButton
          area="policies"
          loading={saving.isPending}
          unless={role.name.trim() === '' ? s.roleName : undefined}
          onClick={() => saving.mutate()}
        >
          {s.saveRole}
        </GuardedButton>
      </Group>
    </Stack>
  );
}
