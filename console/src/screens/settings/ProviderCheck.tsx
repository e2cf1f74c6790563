import { Group, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { answer, api, ApiProblem, type Schemas } from '../../api/client.ts';
import { useTexts } from '../../i18n/index.tsx';
import { providers } from '../../i18n/providers.ts';
import { start } from '../../i18n/start.ts';
import { Copyable } from '../../parts/Copyable.tsx';
import { Fields } from '../../parts/Details.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';

/** A node hears of what was just added within a second. */
const HEARS_AFTER_MS = 700;
const TRIES = 3;

/** What an identity provider is to be told, and whether it can be asked. */
export function ProviderCheck({ of }: { of: Schemas['IdentityProviderView'] }) {
  const s = useTexts(start);
  const p = useTexts(providers);
  const checking = useMutation({
    mutationFn: () => answer(api.POST('/api/v1/identity-providers/{name}/check', { params: { path: { name: of.name } } })),
    retry: (failures, error) => failures < TRIES && error instanceof ApiProblem && error.status === 404,
    retryDelay: HEARS_AFTER_MS,
  });
  return (
    <Stack gap="sm">
      {of.awaiting && (
        <Text size="sm">
          {p.awaiting} {of.awaiting.replaces && p.replaces}
        </Text>
      )}
      <Text size="sm">{s.register}</Text>
      <Fields
        of={Object.entries(of.addresses).map(([what, address]) => [
          p.addressNames[what] ?? what,
          <Copyable key={what} text={String(address)} />,
        ])}
      />
      <Group>
        <GuardedButton area="identity-providers" size="xs" loading={checking.isPending} onClick={() => checking.mutate()}>
          {s.try}
        </GuardedButton>
      </Group>
      <div role="status">
        {checking.isPending && <Text size="sm">{s.trying}</Text>}
        {checking.data?.items.map((one) => (
          <div key={one.what} className="marks">
            <Mark tone={one.fine ? 'good' : 'bad'}>{one.fine ? s.fine : s.wrong}</Mark>
            <Text size="sm">
              {s.checks[one.what] ?? one.what}
              {one.problem && ` — ${one.problem}`}
            </Text>
          </div>
        ))}
      </div>
      {checking.error && <ProblemNotice error={checking.error} />}
    </Stack>
  );
}
