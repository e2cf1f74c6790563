import type { Schemas } from '../api/client.ts';
import { useTexts } from '../i18n/index.tsx';
import { stops } from '../i18n/stops.ts';
import { Client } from './Client.tsx';
import { Person } from './Person.tsx';

type KillSwitchScope = Schemas['KillSwitchScope'];

/** What is stopped in words, where only a text will do. */
export function useScope(): (scope: KillSwitchScope) => string {
  const s = useTexts(stops);
  return (scope) => [s.kinds[scope.kind] ?? scope.kind, scope.id].filter(Boolean).join(' ');
}

/** What is stopped, people and clients by name. */
export function Scope({ of: scope }: { of: KillSwitchScope }) {
  const s = useTexts(stops);
  const inWords = useScope();
  const { kind, id } = scope;
  if (!id || (kind !== 'user' && kind !== 'client')) return <>{inWords(scope)}</>;
  return (
    <>
      {s.kinds[kind] ?? kind} {kind === 'user' ? <Person id={id} /> : <Client id={id} />}
    </>
  );
}
