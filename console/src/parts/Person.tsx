import { useQuery } from '@tanstack/react-query';
import { Fragment } from 'react';
import { answer, api } from '../api/client.ts';
import { useRight } from '../api/me.tsx';
import { listed } from '../i18n/index.tsx';
import { To } from './links.tsx';

const PERSON = /^usr_[0-9a-f]+$/;
const ACCOUNT = /^service:(.+)$/;
/** Names hardly change: one look-up serves a whole visit. */
const STALE_MS = 3_600_000;

/** Who did something: by name, where it is an account or a person whom the reader may see; otherwise by the id. */
export function Person({ id, link = false }: { id: string; link?: boolean }) {
  const { allowed } = useRight('people', 'view');
  const known = PERSON.test(id);
  const person = useQuery({
    queryKey: ['people', 'name', id],
    queryFn: () => answer(api.GET('/api/v1/users/{id}', { params: { path: { id } } })),
    enabled: known && allowed,
    staleTime: STALE_MS,
    retry: false,
  });
  const account = ACCOUNT.exec(id)?.[1];
  const name = account ?? person.data?.display_name;
  if (!name) return <>{id}</>;
  if (!link) return <span title={id}>{name}</span>;
  return (
    <To to="/access" search={account ? { tab: 'accounts', open: account } : { open: id }} title={id}>
      {name}
    </To>
  );
}

/** Several of them in a row, as the page's language writes them, behind what is known by a name anyway. */
export function People({ ids, after = [] }: { ids: string[]; after?: string[] }) {
  const comma = listed(['', '']);
  return (
    <>
      {listed(after)}
      {ids.map((id, place) => (
        <Fragment key={id}>
          {place + after.length > 0 && comma}
          <Person id={id} />
        </Fragment>
      ))}
    </>
  );
}
