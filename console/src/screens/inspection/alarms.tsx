// What reports of false alarms look like, to whoever decides on them and to whoever made them.

import type { Schemas } from '../../api/client.ts';
import { useTexts } from '../../i18n/index.tsx';
import { inspection } from '../../i18n/inspection.ts';
import { Mark, type Tone } from '../../parts/Mark.tsx';

type FalseAlarm = Schemas['FalseAlarmView'];

const TONES: Record<string, Tone> = { open: 'warn', accepted: 'good', rejected: 'plain' };

/** What inspection took it for. */
export function takenFor(of: FalseAlarm, types: Record<string, string>): string {
  return [...new Set(of.alarmed.map(({ type }) => types[type] ?? type))].join('、');
}

/** Where it stands. */
export function StateOfAlarm({ of }: { of: FalseAlarm }) {
  const s = useTexts(inspection);
  return <Mark tone={TONES[of.state] ?? 'plain'}>{s.alarmStates[of.state]}</Mark>;
}
