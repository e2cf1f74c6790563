import { Code, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useTexts } from '../../i18n/index.tsx';
import { providers } from '../../i18n/providers.ts';
import { Details, Fields } from '../../parts/Details.tsx';
import { Dialog } from '../../parts/Dialog.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { ActiveMark } from '../../parts/marks.tsx';
import { Person } from '../../parts/Person.tsx';
import { Section } from '../../parts/Section.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { ProviderCheck } from './ProviderCheck.tsx';
import { ProviderForm } from './ProviderForm.tsx';

type Provider = Schemas['IdentityProviderView'];

const AREA = 'identity-providers';

/** Whom the gate believes when people sign in, and what is to be registered there. */
export function IdentityProviders() {
  const s = useTexts(providers);
  const [filters, change] = useFilters();
  const { open } = filters;
  const one = useQuery({
    queryKey: [AREA, 'one', open],
    queryFn: () => answer(api.GET('/api/v1/identity-providers/{name}', { params: { path: { name: open ?? '' } } })),
    enabled: open !== undefined,
  });
  const add = (
    <GuardedButton area={AREA} size="xs" onClick={() => change({ new: 'yes' }, 'push')}>
      {s.add}
    </GuardedButton>
  );
  return (
    <>
      <Group justify="space-between" mb="xs">
        <Text size="sm" className="tab-lead">{s.lead}</Text>
        {add}
      </Group>
      <Listing<Provider>
        label={s.tab}
        queryKey={[AREA, 'list']}
        fetch={(_, signal) => answer(api.GET('/api/v1/identity-providers', { signal }))}
        rowKey={(one) => one.name}
        open={(one) => change({ open: one.name }, 'push')}
        columns={[
          { label: s.title, cell: (one) => one.title },
          { label: s.state, width: '7rem', cell: (one) => <State of={one} /> },
          { label: s.name, cell: (one) => one.name, wideOnly: true },
          { label: s.kind, cell: (one) => s.kinds[one.kind] ?? one.kind, wideOnly: true },
          { label: s.from, cell: (one) => s.froms[one.from] ?? one.from, wideOnly: true },
        ]}
        empty={<EmptyState title={s.none} next={s.noneNext} action={add} />}
      />
      <Details title={one.data?.title} opened={open !== undefined} close={() => change({ open: undefined })} query={one}>
        {(one) => <View of={one} />}
      </Details>
      <Dialog opened={filters.new === 'yes'} close={() => change({ new: undefined })} title={s.addTitle}>
        <ProviderForm done={(name) => change({ new: undefined, open: name })} />
      </Dialog>
    </>
  );
}

function State({ of }: { of: Provider }) {
  const s = useTexts(providers);
  if (of.awaiting) return <Mark tone="warn">{s.unconfirmed}</Mark>;
  return <ActiveMark active={of.enabled} words={[s.enabled, s.disabled]} />;
}

function settingsBy(of: Provider, label: string): [string, ReactNode][] {
  return of.awaiting ? [[label, <Person key="by" id={of.awaiting.by} />]] : [];
}

function View({ of }: { of: Provider }) {
  const s = useTexts(providers);
  const [, change] = useFilters();
  const [dialog, confirm] = useConfirm();
  const { name } = of;
  const fixed = of.from === 'added' ? undefined : s.fixed;
  const accept = () =>
    confirm({
      title: s.confirmTitle(name),
      consequence: s.confirmText,
      verb: s.confirm,
      done: s.confirmed(name),
      act: () => answer(api.POST('/api/v1/identity-providers/{name}/confirm', { params: { path: { name } } })),
      touches: [AREA],
    });
  const remove = () =>
    confirm({
      title: s.removeTitle(name),
      consequence: s.removeText,
      verb: s.remove,
      done: s.removed(name),
      typed: name,
      danger: true,
      act: async () => {
        await answer(api.DELETE('/api/v1/identity-providers/{name}', { params: { path: { name } } }));
        change({ open: undefined });
      },
      touches: [AREA],
    });
  return (
    <Stack>
      <Group gap="xs">
        {of.awaiting && (
          <GuardedButton area="identity-sources" size="xs" onClick={accept}>
            {s.confirm}
          </GuardedButton>
        )}
        <GuardedButton area={AREA} size="xs" color="red.8" unless={fixed} onClick={remove}>
          {s.remove}
        </GuardedButton>
      </Group>
      {fixed && <Text size="sm">{fixed}</Text>}
      <Fields
        of={[
          [s.state, <State key="state" of={of} />],
          ...settingsBy(of, s.by),
          [s.name, name],
          [s.kind, s.kinds[of.kind] ?? of.kind],
          [s.from, s.froms[of.from] ?? of.from],
        ]}
      />
      <Section title={s.addresses}>
        <ProviderCheck of={of} />
      </Section>
      <details>
        <summary>{s.settings}</summary>
        <Code block>{JSON.stringify(of.settings, null, 2)}</Code>
      </details>
      {dialog}
    </Stack>
  );
}
