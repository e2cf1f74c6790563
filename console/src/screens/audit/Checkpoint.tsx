import { useQuery } from '@tanstack/react-query';
import { answer, api } from '../../api/client.ts';
import { useWording } from '../../i18n/index.tsx';
import { Mark } from '../../parts/Mark.tsx';

/** How far the log is signed, so that nobody can change what was before. */
export function Checkpoint() {
  const { t, format } = useWording();
  const checkpoint = useQuery({
    queryKey: ['audit', 'checkpoint'],
    queryFn: () => answer(api.GET('/api/v1/audit-checkpoint')),
    refetchInterval: 30_000,
  });
  if (!checkpoint.data) return null;
  const { alarm, signed, problem } = checkpoint.data;
  return (
    <span title={problem ?? undefined}>
      <Mark tone={alarm ? 'bad' : 'good'}>
        {alarm ? t.audit.checkpoint.alarm : t.audit.checkpoint.ok(format.number(signed))}
      </Mark>
    </span>
  );
}
