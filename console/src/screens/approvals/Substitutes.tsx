import { Button, Group, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useMe } from '../../api/me.tsx';
import { useTexts, useWording } from '../../i18n/index.tsx';
import { substitutes } from '../../i18n/substitutes.ts';
import { dayBegins, today } from '../../parts/days.ts';
import { Moment } from '../../parts/Moment.tsx';
import { succeeded } from '../../parts/notices.ts';
import { Person } from '../../parts/Person.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { Waiting } from '../../parts/Waiting.tsx';

const AREA = 'approval-substitutes';

/** Who decides while somebody is away. */
export function Substitutes() {
  const s = useTexts(substitutes);
  const me = useMe();
  const found = useQuery({
    queryKey: [AREA],
    queryFn: () => answer(api.GET('/api/v1/approval-substitutes')),
  });
  if (found.error) return <ProblemNotice error={found.error} retry={() => found.refetch()} />;
  if (!found.data) return <Waiting />;
  const mine = found.data.items.find((one) => one.absent === me.id);
  const others = found.data.items.filter((one) => one.substitute === me.id);
  return (
    <Stack>
      <Text size="sm">{s.lead}</Text>
      <Section title={s.mine}>
        {mine ? <Mine of={mine} /> : <Text size="sm">{s.none}</Text>}
        <NameForm />
      </Section>
      <Section title={s.others}>
        {others.length === 0 ? (
          <Text size="sm">{s.noOthers}</Text>
        ) : (
          <SmallTable
            label={s.others}
            head={[s.absent, s.begins, s.ends]}
            rows={others.map((one) => ({
              key: one.absent,
              cells: [<Person key="who" id={one.absent} />, <Moment key="from" time={one.from} />, <Moment key="until" time={one.until} />],
            }))}
          />
        )}
      </Section>
    </Stack>
  );
}

function Mine({ of }: { of: Schemas['SubstitutionView'] }) {
  const s = useTexts(substitutes);
  const [dialog, confirm] = useConfirm();
  const end = () =>
    confirm({
      title: s.endTitle,
      consequence: s.endText,
      verb: s.end,
      done: s.ended,
      act: () => answer(api.DELETE('/api/v1/approval-substitutes/mine')),
      touches: [AREA],
    });
  return (
    <>
      <SmallTable
        label={s.mine}
        head={[s.substitute, s.begins, s.ends, '']}
        rows={[
          {
            key: of.substitute,
            cells: [
              <Person key="who" id={of.substitute} />,
              <Moment key="from" time={of.from} />,
              <Moment key="until" time={of.until} />,
              <Button key="end" size="compact-xs" variant="default" onClick={end}>
                {s.end}
              </Button>,
            ],
          },
        ]}
      />
      {dialog}
    </>
  );
}

function NameForm() {
  const s = useTexts(substitutes);
  const { zone } = useWording();
  const client = useQueryClient();
  const [substitute, setSubstitute] = useState('');
  const [from, setFrom] = useState(() => today(zone));
  const [until, setUntil] = useState('');
  const naming = useMutation({
    mutationFn: () =>
      answer(
        api.PUT('/api/v1/approval-substitutes/mine', {
          body: { substitute: substitute.trim(), from: dayBegins(from, zone), until: dayBegins(until, zone, 1) },
        }),
      ),
    onSuccess: () => {
      client.invalidateQueries({ queryKey: [AREA] });
      succeeded(s.named);
      setSubstitute('');
    },
  });
  const ready = substitute.trim() !== '' && from !== '' && until >= from;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) naming.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="sm">
          <TextInput label={s.person} required value={substitute} onChange={(event) => setSubstitute(event.currentTarget.value)} />
          <TextInput type="date" label={s.from} required value={from} onChange={(event) => setFrom(event.currentTarget.value)} />
          <TextInput type="date" label={s.until} required min={from} value={until} onChange={(event) => setUntil(event.currentTarget.value)} />
        </SimpleGrid>
        {naming.error && <ProblemNotice error={naming.error} />}
        <Group>
          <Button type="submit" disabled={!ready} loading={naming.isPending}>
            {s.name}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
