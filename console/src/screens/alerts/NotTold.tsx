import { Group, Paper, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { answer, api } from '../../api/client.ts';
import { useRight } from '../../api/me.tsx';
import { useT, useTexts } from '../../i18n/index.tsx';
import { substitutes } from '../../i18n/substitutes.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { To } from '../../parts/links.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';

const KEY = ['approvals', 'notices'];
const REFRESH_MS = 20_000;

/** What approvers could not be told: tried again and again, and given up. */
export function useNotTold() {
  const { allowed } = useRight('approvals', 'view');
  return useQuery({
    queryKey: KEY,
    queryFn: () => answer(api.GET('/api/v1/approval-notices')),
    enabled: allowed,
    refetchInterval: REFRESH_MS,
  });
}

export function NotTold() {
  const t = useT();
  const s = useTexts(substitutes);
  const client = useQueryClient();
  const found = useNotTold();
  const retrying = useMutation({
    mutationFn: (id: string) => answer(api.POST('/api/v1/approval-notices/{id}/retry', { params: { path: { id } } })),
    onSuccess: () => {
      client.invalidateQueries({ queryKey: KEY });
      succeeded(s.retried);
    },
  });
  const notices = found.data?.items ?? [];
  if (notices.length === 0) return null;
  return (
    <Stack component="ul" className="plain-list" mb="md">
      {notices.map((one) => (
        <li key={one.id}>
          <Paper withBorder p="md" component="section" aria-label={s.notTold(one.channel)}>
            <div className="marks">
              <Mark tone="bad">{t.alerts.severe}</Mark>
              <Title order={2} size="h5">
                {s.notTold(one.channel)}
              </Title>
              <Moment time={one.created_at} />
            </div>
            <Text size="sm">
              {t.alerts.why} <span lang="en">{one.problem}</span>
            </Text>
            <Text size="sm">
              {s.notToldNext(String(one.attempts))}
            </Text>
            <Group gap="md" mt={4}>
              <To to="/approvals" search={{ open: one.request }} title={one.request}>
                {s.openRequest}
              </To>
              <GuardedButton
                area="approvals"
                size="compact-xs"
                variant="default"
                loading={retrying.isPending}
                onClick={() => retrying.mutate(one.id)}
              >
                {s.retry}
              </GuardedButton>
            </Group>
          </Paper>
        </li>
      ))}
      {retrying.error && <ProblemNotice error={retrying.error} />}
    </Stack>
  );
}
