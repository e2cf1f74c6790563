// States of the gate's things, each with the same word and tone everywhere.

import { useT } from '../i18n/index.tsx';
import { Mark, type Tone } from './Mark.tsx';

const OUTCOMES: Record<string, Tone> = {
  success: 'good',
  error: 'bad',
  refused: 'warn',
  input_required: 'info',
  cancelled: 'plain',
  unknown: 'bad',
};
const CLASSES: Record<string, Tone> = {
  read: 'good',
  create: 'info',
  update: 'info',
  delete: 'bad',
  admin: 'bad',
};
const REVIEWS: Record<string, Tone> = { classified: 'good', unclassified: 'warn', definition_changed: 'bad' };
const CONNECTORS: Record<string, Tone> = {
  ready: 'good',
  unreachable: 'bad',
  not_asked: 'plain',
  disabled: 'plain',
};

const DECISIONS: Record<string, Tone> = { allow: 'good', approval: 'info', deny: 'bad' };

export function OutcomeMark({ status }: { status: string | undefined }) {
  const t = useT();
  if (!status) return <Mark>{t.outcomes.intent}</Mark>;
  return <Mark tone={OUTCOMES[status] ?? 'plain'}>{t.outcomes[status] ?? status}</Mark>;
}

export function DecisionMark({ decision }: { decision: string }) {
  const t = useT();
  return <Mark tone={DECISIONS[decision] ?? 'plain'}>{t.decisions[decision] ?? decision}</Mark>;
}

export function ClassMark({ name }: { name: string }) {
  const t = useT();
  return <Mark tone={CLASSES[name] ?? 'plain'}>{t.classes[name] ?? name}</Mark>;
}

export function ReviewMark({ state }: { state: string }) {
  const t = useT();
  return <Mark tone={REVIEWS[state] ?? 'plain'}>{t.reviewStates[state] ?? state}</Mark>;
}

export function ConnectorMark({ state }: { state: string }) {
  const t = useT();
  return <Mark tone={CONNECTORS[state] ?? 'plain'}>{t.connectorStates[state] ?? state}</Mark>;
}

export function ActiveMark({ active, words }: { active: boolean; words?: [string, string] }) {
  const t = useT();
  const [yes, no] = words ?? [t.common.active, t.common.inactive];
  return <Mark tone={active ? 'good' : 'plain'}>{active ? yes : no}</Mark>;
}
