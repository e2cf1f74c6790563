// Searches that are kept, for oneself or for everybody who may look at the log.

import { Button, Checkbox, Group, Menu, Stack, Text, TextInput } from '@mantine/core';
import { IconBookmark, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useTexts, useWording, type Zone } from '../../i18n/index.tsx';
import { searches } from '../../i18n/searches.ts';
import { Dialog } from '../../parts/Dialog.tsx';
import { type Filters, useFilters } from '../../parts/filters.ts';
import { succeeded } from '../../parts/notices.ts';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { momentOf, typedOf } from './query.ts';

type Saved = Schemas['SavedSearch'];
type SavedFilter = Schemas['SavedSearchFilter'];

const KEY = ['saved-searches'];
const TEXTS = [
  'text',
  'user',
  'client',
  'connector',
  'tool',
  'resource',
  'event',
  'outcome',
  'class',
  'data_class',
  'decision',
  'approval',
  'correlation',
] as const;

/** What is kept of the address. */
function filterOf(filters: Filters, zone: Zone): SavedFilter {
  const custom = filters.period === 'custom';
  const given: Record<string, string | undefined> = {
    ...Object.fromEntries(TEXTS.map((name) => [name, filters[name]])),
    period: custom ? undefined : filters.period,
    from: custom ? momentOf(filters.from, zone) : undefined,
    until: custom ? momentOf(filters.until, zone) : undefined,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value)) as SavedFilter;
}

/** The address of what is kept; what it does not ask for is cleared. */
function filtersOf(filter: SavedFilter, zone: Zone): Filters {
  const custom = Boolean(filter.from ?? filter.until);
  return {
    ...Object.fromEntries(TEXTS.map((name) => [name, filter[name] ?? undefined])),
    period: custom ? 'custom' : (filter.period ?? undefined),
    from: typedOf(filter.from ?? undefined, zone),
    until: typedOf(filter.until ?? undefined, zone),
    open: undefined,
  };
}

export function SavedSearches() {
  const s = useTexts(searches);
  const { zone } = useWording();
  const [filters, change] = useFilters();
  const [naming, setNaming] = useState(false);
  const [confirm, ask] = useConfirm();
  const found = useQuery({
    queryKey: KEY,
    queryFn: () => answer(api.GET('/api/v1/saved-searches', { params: { query: { limit: 200 } } })),
  });
  const all = found.data?.items ?? [];
  const remove = (one: Saved) =>
    ask({
      title: s.removeTitle(one.name),
      consequence: s.removeText,
      verb: s.removeVerb,
      done: s.removed(one.name),
      act: () => answer(api.DELETE('/api/v1/saved-searches/{id}', { params: { path: { id: one.id } } })),
      touches: KEY,
    });
  const items = (title: string, some: Saved[]) =>
    some.length > 0 && (
      <>
        <Menu.Label>{title}</Menu.Label>
        {some.map((one) => (
          <Group key={one.id} gap={4} wrap="nowrap">
            <Menu.Item onClick={() => change(filtersOf(one.filter, zone), 'push')}>
              {one.name}
              {!one.own && (
                <Text size="xs" c="dimmed">
                  {s.by} <Person id={one.owner} />
                </Text>
              )}
            </Menu.Item>
            {one.own && (
              <Menu.Item w="auto" aria-label={s.remove(one.name)} onClick={() => remove(one)}>
                <IconTrash size={14} />
              </Menu.Item>
            )}
          </Group>
        ))}
      </>
    );
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button size="xs" variant="default" leftSection={<IconBookmark size={14} />}>
            {s.menu}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {found.error && <ProblemNotice error={found.error} />}
          {found.data && all.length === 0 && <Menu.Label>{s.none}</Menu.Label>}
          {items(s.own, all.filter((one) => one.own))}
          {items(s.shared, all.filter((one) => !one.own))}
          <Menu.Divider />
          <Menu.Item onClick={() => setNaming(true)}>{s.saveThis}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Dialog title={s.title} opened={naming} close={() => setNaming(false)}>
        {naming && <Naming filter={filterOf(filters, zone)} close={() => setNaming(false)} />}
      </Dialog>
      {confirm}
    </>
  );
}

function Naming({ filter, close }: { filter: SavedFilter; close: () => void }) {
  const s = useTexts(searches);
  const client = useQueryClient();
  const [name, setName] = useState('');
  const [shared, setShared] = useState(false);
  const saving = useMutation({
    mutationFn: () => answer(api.POST('/api/v1/saved-searches', { body: { name: name.trim(), shared, filter } })),
    onSuccess: (kept) => {
      client.invalidateQueries({ queryKey: KEY });
      succeeded(s.saved(kept.name));
      close();
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate();
      }}
    >
      <Stack>
        <TextInput
          label={s.name}
          required
          maxLength={100}
          data-autofocus
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Checkbox label={s.share} checked={shared} onChange={(event) => setShared(event.currentTarget.checked)} />
        {filter.period && (
          <Text size="sm" c="dimmed">
            {s.periodNote}
          </Text>
        )}
        {saving.error && <ProblemNotice error={saving.error} />}
        <Group justify="end">
          <Button type="submit" loading={saving.isPending} disabled={name.trim() === ''}>
            {s.save}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
