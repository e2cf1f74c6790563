import { useQuery } from '@tanstack/react-query';
import { answer, api } from '../api/client.ts';
import { useRight } from '../api/me.tsx';
import { useT } from '../i18n/index.tsx';

/** A service account comes with a key instead of a client. */
const KEY = /^[0-9a-f]{16}$/;
/** Names hardly change: one look-up serves a whole visit. */
const STALE_MS = 3_600_000;

/** Through which AI client: by name, where it is one that the reader may see; otherwise by its id. */
export function Client({ id }: { id: string }) {
  const t = useT();
  const isKey = KEY.test(id);
  const { allowed } = useRight('clients', 'view');
  const client = useQuery({
    queryKey: ['clients', 'name', id],
    queryFn: () => answer(api.GET('/api/v1/clients/{id}', { params: { path: { id } } })),
    enabled: allowed && !isKey,
    staleTime: STALE_MS,
    retry: false,
  });
  const name = isKey ? t.access.keyOf(id.slice(0, 4)) : client.data?.name;
  return name ? <span title={id}>{name}</span> : <>{id}</>;
}
