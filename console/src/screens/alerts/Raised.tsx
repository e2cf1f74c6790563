import { Button, Group, Paper, Stack, Text, Textarea, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT } from '../../i18n/index.tsx';
import { Dialog } from '../../parts/Dialog.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { To } from '../../parts/links.tsx';
import { Mark, type Tone } from '../../parts/Mark.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';

type Alert = Schemas['AlertView'];

const TONES: Record<string, Tone> = { low: 'plain', medium: 'warn', high: 'bad', critical: 'bad' };

/** What the rules on past events found: the newest first. */
export function useRaised() {
  return useQuery({
    queryKey: ['audit', 'alerts'],
    queryFn: () => answer(api.GET('/api/v1/alerts', { params: { query: { limit: 100 } } })),
    refetchInterval: 30_000,
  });
}

export function Raised({ alerts }: { alerts: Alert[] }) {
  const t = useT();
  const [asked, setAsked] = useState<Alert>();
  return (
    <Stack component="ul" className="plain-list">
      {alerts.map((alert) => (
        <li key={alert.id}>
          <Paper withBorder p="md" component="section" aria-label={t.alerts.rules[alert.rule] ?? alert.rule}>
            <div className="marks">
              <Mark tone={TONES[alert.severity] ?? 'plain'}>{t.alerts.severities[alert.severity] ?? alert.severity}</Mark>
              <Title order={2} size="h5">
                {t.alerts.rules[alert.rule] ?? alert.rule}
              </Title>
              <Moment time={alert.time} />
            </div>
            <Text size="sm">{t.alerts.about(alert.subject_name ?? alert.subject, String(alert.count))}</Text>
            <Group gap="md" mt={4}>
              <To to="/audit" search={{ open: alert.records[0] ?? alert.id }}>
                {t.alerts.look}
              </To>
              {alert.acknowledged_by ? (
                <Text size="sm">{t.alerts.acknowledgedBy(alert.acknowledged_by_name ?? alert.acknowledged_by)}</Text>
              ) : (
                <GuardedButton area="audit" size="compact-xs" variant="default" onClick={() => setAsked(alert)}>
                  {t.alerts.acknowledge}
                </GuardedButton>
              )}
            </Group>
          </Paper>
        </li>
      ))}
      <Dialog title={t.alerts.acknowledge} opened={asked !== undefined} close={() => setAsked(undefined)}>
        {asked && <Acknowledge alert={asked} close={() => setAsked(undefined)} />}
      </Dialog>
    </Stack>
  );
}

function Acknowledge({ alert, close }: { alert: Alert; close: () => void }) {
  const t = useT();
  const client = useQueryClient();
  const [reason, setReason] = useState('');
  const telling = useMutation({
    mutationFn: () =>
      answer(api.POST('/api/v1/alerts/{id}/acknowledge', { params: { path: { id: alert.id } }, body: { reason } })),
    onSuccess: () => {
      client.invalidateQueries({ queryKey: ['audit', 'alerts'] });
      succeeded(t.alerts.acknowledged);
      close();
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        telling.mutate();
      }}
    >
      <Stack>
        <Textarea
          label={t.alerts.finding}
          required
          autosize
          minRows={2}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {telling.error && <ProblemNotice error={telling.error} />}
        <Group justify="end">
          <Button type="submit" loading={telling.isPending} disabled={reason.trim() === ''}>
            {t.alerts.acknowledge}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
