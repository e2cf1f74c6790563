import { Group, NativeSelect, NumberInput, SimpleGrid, Stack, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useTexts } from '../../i18n/index.tsx';
import { limits } from '../../i18n/limits.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';

type Limit = Schemas['LimitView'];
type Bound = Schemas['LimitBound'];
type Amount = number | string;

const DEFAULTS: Record<Bound['kind'], number> = { rate: 60, daily: 1_000, concurrency: 5, answer_bytes: 1_000_000 };
const KINDS = Object.keys(DEFAULTS) as Bound['kind'][];

const choices = (words: Record<string, string>) => Object.entries(words).map(([value, label]) => ({ value, label }));
const chosen = (kind: string, id: string) => (kind ? { kind, ...(id.trim() ? { id: id.trim() } : {}) } : undefined);

function boundOf(kind: Bound['kind'], count: number, seconds: Amount, burst: Amount): Bound {
  if (kind !== 'rate') return { kind, count };
  return { kind, count, per_seconds: Number(seconds), ...(burst === '' ? {} : { burst: Number(burst) }) };
}

/** Sets a limit anew, or changes one. */
export function LimitForm({ limit, done }: { limit?: Limit; done?: () => void }) {
  const s = useTexts(limits);
  const client = useQueryClient();
  const rate = limit?.bound.kind === 'rate' ? limit.bound : undefined;
  const [name, setName] = useState(limit?.name ?? '');
  const [who, setWho] = useState<string>(limit?.who?.kind ?? (limit ? '' : 'user'));
  const [whoId, setWhoId] = useState(limit?.who?.id ?? '');
  const [what, setWhat] = useState<string>(limit?.what?.kind ?? (limit ? '' : 'connector'));
  const [whatId, setWhatId] = useState(limit?.what?.id ?? '');
  const [kind, setKind] = useState<Bound['kind']>(limit?.bound.kind ?? 'rate');
  const [count, setCount] = useState<Amount>(limit?.bound.count ?? DEFAULTS.rate);
  const [seconds, setSeconds] = useState<Amount>(rate?.per_seconds ?? 60);
  const [burst, setBurst] = useState<Amount>(rate?.burst ?? '');
  const saving = useMutation({
    mutationFn: () => {
      const [forWhom, onWhat] = [chosen(who, whoId), chosen(what, whatId)];
      return answer(
        api.PUT('/api/v1/limits/{name}', {
          params: { path: { name: name.trim() } },
          body: {
            bound: boundOf(kind, Number(count), seconds, burst),
            ...(forWhom ? { who: forWhom } : {}),
            ...(onWhat ? { what: onWhat } : {}),
          },
        }),
      );
    },
    onSuccess: () => {
      client.invalidateQueries({ queryKey: ['limits'] });
      succeeded(s.saved(name.trim()));
      done?.();
    },
  });
  const missing = name.trim() === '' || count === '' || (kind === 'rate' && seconds === '');
  return (
    <Stack gap="sm">
      {!limit && (
        <TextInput label={s.name} description={s.nameHint} required value={name} onChange={(event) => setName(event.currentTarget.value)} />
      )}
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        <NativeSelect label={s.who} value={who} data={choices(s.whos)} onChange={(event) => setWho(event.currentTarget.value)} />
        {who !== '' && (
          <TextInput label={s.whoId} placeholder={s.idHint} value={whoId} onChange={(event) => setWhoId(event.currentTarget.value)} />
        )}
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        <NativeSelect label={s.what} value={what} data={choices(s.whats)} onChange={(event) => setWhat(event.currentTarget.value)} />
        {what !== '' && (
          <TextInput label={s.whatId} placeholder={s.idHint} value={whatId} onChange={(event) => setWhatId(event.currentTarget.value)} />
        )}
      </SimpleGrid>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
        <NativeSelect
          label={s.kind}
          value={kind}
          data={KINDS.map((value) => ({ value, label: s.kinds[value] ?? value }))}
          onChange={(event) => {
            const next = event.currentTarget.value as Bound['kind'];
            setKind(next);
            setCount(DEFAULTS[next]);
          }}
        />
        <NumberInput label={s.counts[kind]} min={1} required value={count} onChange={setCount} thousandSeparator="," />
        {kind === 'rate' && (
          <>
            <NumberInput label={s.period} min={1} max={86_400} required value={seconds} onChange={setSeconds} />
            <NumberInput label={s.burst} placeholder={s.burstHint} min={1} value={burst} onChange={setBurst} />
          </>
        )}
      </SimpleGrid>
      {saving.error && <ProblemNotice error={saving.error} />}
      <Group justify="end">
        <GuardedButton
          area="limits"
          loading={saving.isPending}
          unless={missing ? s.name : undefined}
          onClick={() => saving.mutate()}
        >
          {s.save}
        </GuardedButton>
      </Group>
    </Stack>
  );
}
