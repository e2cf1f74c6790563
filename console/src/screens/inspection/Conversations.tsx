import { Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useTexts } from '../../i18n/index.tsx';
import { inspection } from '../../i18n/inspection.ts';
import { Client } from '../../parts/Client.tsx';
import { Copyable } from '../../parts/Copyable.tsx';
import { Details, Fields } from '../../parts/Details.tsx';
import { EmptyState } from '../../parts/EmptyState.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Listing } from '../../parts/Listing.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { Person } from '../../parts/Person.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';

type Conversation = Schemas['ConversationView'];

const AREA = 'inspection';
const TONES: Record<string, Tone> = { 'untrusted-content': 'warn', 'personal-data': 'info', confidential: 'bad' };

function LabelMark({ name }: { name: string }) {
  const s = useTexts(inspection);
  return <Mark tone={TONES[name] ?? 'plain'}>{s.labelNames[name] ?? name}</Mark>;
}

/** What conversations have read, and so where they may not send. */
export function Conversations() {
  const s = useTexts(inspection);
  const [filters, change] = useFilters();
  const { open } = filters;
  const one = useQuery({
    queryKey: [AREA, 'conversation', open],
    queryFn: () => answer(api.GET('/api/v1/conversations/{id}', { params: { path: { id: open ?? '' } } })),
    enabled: open !== undefined,
  });
  return (
    <>
      <Text size="sm" mb="xs">
        {s.conversationsLead}
      </Text>
      <Listing<Conversation>
        label={s.conversations}
        queryKey={[AREA, 'conversations']}
        fetch={(cursor, signal) =>
          answer(api.GET('/api/v1/conversations', { params: { query: { limit: 200, ...(cursor ? { cursor } : {}) } }, signal }))
        }
        rowKey={(one) => one.id}
        open={(one) => change({ open: one.id }, 'push')}
        columns={[
          { label: s.principal, cell: (one) => <Person id={one.principal} /> },
          {
            label: s.labels,
            width: 'minmax(0, 1.5fr)',
            cell: (one) => (
              <span className="marks">
                {one.labels.map(({ label }) => (
                  <LabelMark key={label} name={label} />
                ))}
              </span>
            ),
          },
          { label: s.client, cell: (one) => <Client id={one.client} />, wideOnly: true },
          { label: s.updatedAt, width: '12.5rem', cell: (one) => <Moment time={one.updated_at} />, wideOnly: true },
          { label: s.expiresAt, width: '12.5rem', cell: (one) => <Moment time={one.expires_at} />, wideOnly: true },
        ]}
        empty={<EmptyState title={s.noConversations} next={s.noConversationsNext} />}
      />
      <Details title={one.data && <Person id={one.data.principal} />} opened={open !== undefined} close={() => change({ open: undefined })} query={one}>
        {(one) => <View of={one} />}
      </Details>
    </>
  );
}

function View({ of }: { of: Conversation }) {
  const s = useTexts(inspection);
  const [, change] = useFilters();
  const [dialog, confirm] = useConfirm();
  const declassify = () =>
    confirm({
      title: s.declassifyTitle,
      consequence: s.declassifyText,
      verb: s.declassify,
      done: s.declassified,
      danger: true,
      act: async () => {
        await answer(api.DELETE('/api/v1/conversations/{id}', { params: { path: { id: of.id } } }));
        change({ open: undefined });
      },
      touches: [AREA],
    });
  return (
    <Stack>
      <Group gap="xs">
        <GuardedButton area={AREA} size="xs" color="red.8" onClick={declassify}>
          {s.declassify}
        </GuardedButton>
      </Group>
      <Fields
        of={[
          [s.principal, <Copyable key="who" text={of.principal} />],
          [s.client, <Client key="client" id={of.client} />],
          [s.clientId, <Copyable key="id" text={of.client} />],
          [s.kind, of.session ? s.session : s.window],
          [s.updatedAt, <Moment key="updated" time={of.updated_at} />],
          [s.expiresAt, <Moment key="expires" time={of.expires_at} />],
        ]}
      />
      <Section title={s.labels}>
        <SmallTable
          label={s.labels}
          head={[s.label, s.from, s.since]}
          rows={of.labels.map((one) => ({
            key: one.label,
            cells: [<LabelMark key="label" name={one.label} />, one.connector, <Moment key="at" time={one.at} />],
          }))}
        />
      </Section>
      {dialog}
    </Stack>
  );
}
