import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api } from '../../api/client.ts';
import { useT } from '../../i18n/index.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { Moment } from '../../parts/Moment.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { Waiting } from '../../parts/Waiting.tsx';

/** A person's open sessions in browsers. */
export function Sessions({ user }: { user: string }) {
  const t = useT();
  const [dialog, confirm] = useConfirm();
  const sessions = useQuery({
    queryKey: ['sessions', user],
    queryFn: () => answer(api.GET('/api/v1/users/{id}/sessions', { params: { path: { id: user } } })),
  });
  if (sessions.error) return <ProblemNotice error={sessions.error} />;
  if (!sessions.data) return <Waiting />;
  const open = sessions.data.items.filter((session) => !session.revoked_at);
  if (open.length === 0) return <Text size="sm">{t.access.noSessions}</Text>;
  const end = (id: string) =>
    confirm({
      title: t.access.sessions,
      consequence: t.access.endSessionText,
      verb: t.access.endSession,
      done: t.access.sessionEnded,
      danger: true,
      act: () => answer(api.DELETE('/api/v1/sessions/{id}', { params: { path: { id } } })),
      touches: ['sessions'],
    });
  return (
    <>
      <SmallTable
        label={t.access.sessions}
        head={[t.access.device, t.access.lastSeen, t.access.secondFactor, '']}
        rows={open.map((session) => ({
          key: session.id,
          cells: [
            <span key="device" title={session.user_agent ?? undefined}>
              {session.ip ?? '–'}
            </span>,
            <Moment key="seen" time={session.last_seen_at} />,
            session.mfa ? t.common.yes : t.common.no,
            <GuardedButton key="end" area="sessions" size="compact-xs" variant="default" onClick={() => end(session.id)}>
              {t.access.endSession}
            </GuardedButton>,
          ],
        }))}
      />
      {dialog}
    </>
  );
}
