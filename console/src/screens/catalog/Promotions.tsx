import { Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useMe } from '../../api/me.tsx';
import { useT, useTexts } from '../../i18n/index.tsx';
import { promotions } from '../../i18n/promotions.ts';
import { Details, Fields } from '../../parts/Details.tsx';
import { Dialog } from '../../parts/Dialog.tsx';
import { Diff } from '../../parts/Diff.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Person } from '../../parts/Person.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { type Saying, WordForm } from '../../parts/WordForm.tsx';
import { PromoteConnector, PromoteRoles } from './PromotionForms.tsx';

type Promotion = Schemas['Promotion'];
type Word = 'agree' | 'refuse';

const AREA = 'catalog';
const TONES: Record<string, Tone> = { proposed: 'warn', applied: 'good', refused: 'plain' };

/** What goes on from one environment to the next. */
export function Promotions() {
  const s = useTexts(promotions);
  const [filters, change] = useFilters();
  const { open } = filters;
  const promotion = useQuery({
    queryKey: [AREA, 'promotion', open],
    queryFn: () => answer(api.GET('/api/v1/promotions/{id}', { params: { path: { id: open ?? '' } } })),
    enabled: open !== undefined,
  });
  const close = () => change({ new: undefined });
  const propose = (
    <GuardedButton area={AREA} size="xs" onClick={() => change({ new: 'connector' }, 'push')}>
      {s.propose}
    </GuardedButton>
  );
  return (
    <>
      <Group justify="space-between" mb="xs">
        <Text size="sm" className="tab-lead">
          {s.lead}
        </Text>
        <Group gap="xs">
          <GuardedButton area="policies" size="xs" variant="default" onClick={() => change({ new: 'roles' }, 'push')}>
            {s.roles}
          </GuardedButton>
          {propose}
        </Group>
      </Group>
      <Listing<Promotion>
        label={s.tab}
        queryKey={[AREA, 'promotions']}
        fetch={(cursor, signal) => answer(api.GET('/api/v1/promotions', { params: { query: cursor ? { cursor } : {} }, signal }))}
        rowKey={(one) => one.id}
        open={(one) => change({ open: one.id }, 'push')}
        columns={[
          { label: s.from, cell: (one) => one.from },
          { label: s.to, cell: (one) => one.to },
          { label: s.state, width: '8rem', cell: (one) => <StateMark state={one.state} /> },
          { label: s.by, cell: (one) => <Person id={one.proposed.by} />, wideOnly: true },
          { label: s.at, width: '12.5rem', cell: (one) => <Moment time={one.proposed.at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={s.none} next={s.noneNext} action={propose} />}
      />
      <Details
        title={promotion.data ? `${promotion.data.from} → ${promotion.data.to}` : s.tab}
        opened={open !== undefined}
        close={() => change({ open: undefined })}
        query={promotion}
      >
        {(of) => <PromotionView key={of.id} of={of} />}
      </Details>
      <Dialog opened={filters.new === 'connector'} close={close} title={s.proposeTitle}>
        <PromoteConnector done={(id) => change({ new: undefined, open: id })} />
      </Dialog>
      <Dialog opened={filters.new === 'roles'} close={close} title={s.rolesTitle}>
        <PromoteRoles />
      </Dialog>
    </>
  );
}

function StateMark({ state }: { state: string }) {
  const s = useTexts(promotions);
  return <Mark tone={TONES[state] ?? 'plain'}>{s.states[state] ?? state}</Mark>;
}

function PromotionView({ of }: { of: Promotion }) {
  const t = useT();
  const s = useTexts(promotions);
  const place = (name: string, environment: string) => `${name} (${t.environments[environment] ?? environment})`;
  return (
    <Stack>
      {of.state === 'proposed' && <Decide of={of} />}
      <Fields
        of={[
          [s.state, <StateMark key="state" state={of.state} />],
          [s.from, place(of.from, of.from_environment)],
          [s.to, place(of.to, of.to_environment)],
          [s.by, <Person key="by" id={of.proposed.by} link />],
          [s.at, <Moment key="at" time={of.proposed.at} />],
          [s.reason, of.proposed.note],
          [s.decidedBy, of.decided && <Person key="decided" id={of.decided.by} link />],
          [s.decidedAt, of.decided && <Moment key="when" time={of.decided.at} />],
          [s.note, of.decided?.note],
        ]}
      />
      <Section title={s.changes}>
        <Settings of={of.changes} />
        {of.changes.filter(isReview).map((change) => (
          <section key={change.place} aria-label={s.review(toolOf(change))}>
            <Text size="sm" fw={600}>
              {s.review(toolOf(change))}
            </Text>
            <Diff before={text(change.before)} after={text(change.after)} />
          </section>
        ))}
      </Section>
      {of.left_out.length > 0 && (
        <Section title={s.leftOut}>
          <Text size="sm">{s.leftOutText}</Text>
          <SmallTable
            label={s.leftOut}
            head={[s.tool, s.why]}
            rows={of.left_out.map((one) => ({ key: one.tool, cells: [one.tool, s.whys[one.why] ?? one.why] }))}
          />
        </Section>
      )}
    </Stack>
  );
}

type Change = Promotion['changes'][number];

const isReview = (change: Change) => change.place.startsWith('tools/');
const toolOf = (change: Change) => change.place.slice('tools/'.length);
const text = (value: unknown): string => (value == null ? '' : JSON.stringify(value, null, 2));

function Settings({ of }: { of: Change[] }) {
  const s = useTexts(promotions);
  const shown = (value: unknown) => (value == null ? s.nothing : typeof value === 'string' ? value : JSON.stringify(value));
  const rows = of
    .filter((change) => !isReview(change))
    .map((change) => {
      const name = change.place.replace('settings/', '');
      return { key: name, cells: [s.settings[name] ?? name, shown(change.before), shown(change.after)] };
    });
  if (rows.length === 0) return null;
  return <SmallTable label={s.changes} head={[s.changes, s.before, s.after]} rows={rows} />;
}

/** A second person agrees or not; who proposed it may take it back. */
function Decide({ of }: { of: Promotion }) {
  const s = useTexts(promotions);
  const me = useMe();
  const [word, setWord] = useState<Word>();
  const own = of.proposed.by === me.id;
  const params = { path: { id: of.id } };
  const words: Record<Word, Saying & { title: string }> = {
    agree: {
      title: s.agreeTitle(of.from, of.to),
      text: s.agreeText,
      label: s.word,
      verb: s.agreeVerb,
      done: s.done(of.to),
      say: (note) => answer(api.POST('/api/v1/promotions/{id}/agree', { params, body: { note } })),
      touches: [AREA],
    },
    refuse: {
      title: s.refuseTitle(of.from, of.to),
      text: s.refuseText,
      label: s.word,
      verb: own ? s.takeBackVerb : s.refuseVerb,
      done: s.refused,
      danger: true,
      say: (note) => answer(api.POST('/api/v1/promotions/{id}/refuse', { params, body: { note } })),
      touches: [AREA],
    },
  };
  return (
    <>
      <Group gap="xs">
        <GuardedButton area={AREA} size="xs" unless={own ? s.second : undefined} onClick={() => setWord('agree')}>
          {s.agree}
        </GuardedButton>
        <GuardedButton area={AREA} size="xs" variant="default" onClick={() => setWord('refuse')}>
          {own ? s.takeBack : s.refuse}
        </GuardedButton>
      </Group>
      {own && <Text size="sm">{s.second}</Text>}
      <Dialog opened={word !== undefined} close={() => setWord(undefined)} title={word && words[word].title}>
        {word && <WordForm of={words[word]} close={() => setWord(undefined)} />}
      </Dialog>
    </>
  );
}
