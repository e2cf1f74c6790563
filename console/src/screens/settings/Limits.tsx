import { Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { type Formats } from '../../i18n/formats.ts';
import { useFormat, useTexts } from '../../i18n/index.tsx';
import { limits } from '../../i18n/limits.ts';
import { Details, Fields } from '../../parts/Details.tsx';
import { Dialog } from '../../parts/Dialog.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Person } from '../../parts/Person.tsx';
import { Section } from '../../parts/Section.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { LimitForm } from './LimitForm.tsx';

type Limit = Schemas['LimitView'];
type Texts = (typeof limits)['en'];

const AREA = 'limits';

function whoOf(s: Texts, { who }: Limit): string {
  if (!who) return s.whos[''] ?? '';
  return who.id ? `${s.whoOne[who.kind] ?? who.kind} ${who.id}` : (s.whos[who.kind] ?? who.kind);
}

function whatOf(s: Texts, { what }: Limit): string {
  if (!what) return s.whats[''] ?? '';
  return what.id ? `${s.whatOne[what.kind] ?? what.kind} ${what.id}` : (s.whats[what.kind] ?? what.kind);
}

function boundOf(s: Texts, format: Formats, { bound }: Limit): string {
  switch (bound.kind) {
    case 'rate': {
      const burst = bound.burst == null ? '' : s.bursts(format.number(bound.burst));
      return s.rate(format.number(bound.count), format.number(bound.per_seconds)) + burst;
    }
    case 'daily':
      return s.daily(format.number(bound.count));
    case 'concurrency':
      return s.concurrency(format.number(bound.count));
    case 'answer_bytes':
      return s.bytes(format.bytes(bound.count));
  }
}

export function Limits() {
  const s = useTexts(limits);
  const format = useFormat();
  const [filters, change] = useFilters();
  const { open } = filters;
  const limit = useQuery({
    queryKey: [AREA, 'one', open],
    queryFn: () => answer(api.GET('/api/v1/limits/{name}', { params: { path: { name: open ?? '' } } })),
    enabled: open !== undefined,
  });
  const creating = filters.new === 'yes';
  return (
    <>
      <Group justify="space-between" mb="xs">
        <Text size="sm" className="tab-lead">{s.lead}</Text>
        <GuardedButton area={AREA} size="xs" onClick={() => change({ new: 'yes' }, 'push')}>
          {s.add}
        </GuardedButton>
      </Group>
      <Listing<Limit>
        label={s.tab}
        queryKey={[AREA, 'list']}
        fetch={(cursor, signal) =>
          answer(api.GET('/api/v1/limits', { params: { query: { limit: 200, ...(cursor ? { cursor } : {}) } }, signal }))
        }
        rowKey={(limit) => limit.name}
        open={(limit) => change({ open: limit.name }, 'push')}
        columns={[
          { label: s.name, cell: (limit) => limit.name },
          { label: s.bound, width: 'minmax(0, 1.3fr)', cell: (limit) => boundOf(s, format, limit) },
          { label: s.who, cell: (limit) => whoOf(s, limit), wideOnly: true },
          { label: s.what, cell: (limit) => whatOf(s, limit), wideOnly: true },
          { label: s.setAt, width: '12.5rem', cell: (limit) => <Moment time={limit.set_at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={s.none} next={s.noneNext} />}
      />
      <Details title={open} opened={open !== undefined} close={() => change({ open: undefined })} query={limit}>
        {(limit) => <LimitView key={limit.set_at} limit={limit} />}
      </Details>
      <Dialog opened={creating} close={() => change({ new: undefined })} title={s.addTitle}>
        <LimitForm done={() => change({ new: undefined })} />
      </Dialog>
    </>
  );
}

function LimitView({ limit }: { limit: Limit }) {
  const s = useTexts(limits);
  const format = useFormat();
  const [, change] = useFilters();
  const [dialog, confirm] = useConfirm();
  const { name } = limit;
  const remove = () =>
    confirm({
      title: s.removeTitle(name),
      consequence: s.removeText,
      verb: s.remove,
      done: s.removed(name),
      danger: true,
      act: async () => {
        await answer(api.DELETE('/api/v1/limits/{name}', { params: { path: { name } } }));
        change({ open: undefined });
      },
      touches: [AREA],
    });
  return (
    <Stack>
      <Fields
        of={[
          [s.bound, boundOf(s, format, limit)],
          [s.who, whoOf(s, limit)],
          [s.what, whatOf(s, limit)],
          [s.setBy, <Person key="by" id={limit.set_by} link />],
          [s.setAt, <Moment key="at" time={limit.set_at} />],
        ]}
      />
      <Section title={s.edit}>
        <LimitForm limit={limit} />
      </Section>
      <Group gap="xs">
        <GuardedButton area={AREA} size="xs" color="red.8" onClick={remove}>
          {s.remove}
        </GuardedButton>
      </Group>
      {dialog}
    </Stack>
  );
}
