// Who is signed in, and what they may do.

import { useQuery } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect } from 'react';
import { useT } from '../i18n/index.tsx';
import { ProblemNotice } from '../parts/ProblemNotice.tsx';
import { Waiting } from '../parts/Waiting.tsx';
import { ApiProblem, answer, api, keepCsrfToken, type Me, signIn } from './client.ts';

const MeContext = createContext<Me | null>(null);

export function useMe(): Me {
  const me = useContext(MeContext);
  if (!me) throw new Error('there is no MeProvider above');
  return me;
}

async function whoAmI(): Promise<Me> {
  const me = await answer(api.GET('/api/v1/me'));
  keepCsrfToken(me);
  return me;
}

export function MeProvider({ children }: { children: ReactNode }) {
  const me = useQuery({ queryKey: ['me'], queryFn: whoAmI, staleTime: 60_000 });
  const unknown = me.error instanceof ApiProblem && me.error.status === 401;
  useEffect(() => {
    if (unknown) signIn();
  }, [unknown]);
  if (me.data && !unknown) return <MeContext value={me.data}>{children}</MeContext>;
  return me.error && !unknown ? <ProblemNotice error={me.error} retry={() => me.refetch()} /> : <Waiting />;
}

export type RightAction = 'view' | 'manage';

/** What bounds administrators is not theirs to change. */
const FOR_SECURITY = ['guard-rails', 'retention'];
/** Nor is what they may become. */
const FOR_AUDITORS = ['identity-sources', 'contents'];

/** Whether the person may do that; if not, why, in words. */
export function useRight(area: string, action: RightAction): { allowed: boolean; why?: string; step?: 'mfa' } {
  const me = useMe();
  const t = useT();
  const has = (wanted: RightAction) => me.rights.some((right) => right.area === area && right.action === wanted);
  if (has(action)) return { allowed: true };
  // Who may look and not change, and proved one factor only, may lack just the other.
  const oneFactor = action === 'manage' && me.kind === 'user' && !me.authentication.mfa && me.groups.length > 0;
  if (oneFactor && has('view')) return { allowed: false, why: t.rights.needsMfa, step: 'mfa' };
  if (action === 'view') return { allowed: false, why: t.rights.needsRole };
  if (FOR_AUDITORS.includes(area)) return { allowed: false, why: t.rights.needsAuditor };
  return { allowed: false, why: FOR_SECURITY.includes(area) ? t.rights.needsSecurity : t.rights.needsAdmin };
}
