import type { Schemas } from '../../api/client.ts';
import { useWording } from '../../i18n/index.tsx';

/** The stages of a call, in order. What comes after the answer is no decision and is left out. */
const STAGES = [
  'listen',
  'authenticate',
  'resolve',
  'validate',
  'authorize',
  'inspect_input',
  'approve',
  'invoke',
  'inspect_output',
];
/** Told only where it took time: they decide nothing. Each stands before the stage named. */
const BETWEEN: Record<string, string> = { invoke: 'intent' };
const LAST = 'record';

interface Props {
  stopped: string | undefined;
  refused: boolean;
  times: Schemas['StageView'][];
}

/** How far a call came, where it was stopped, and what each stage took. */
export function Road({ stopped, refused, times }: Props) {
  const { t, format } = useWording();
  const took = new Map(times.map((time) => [time.stage, time.duration_us]));
  const total = times.reduce((sum, time) => sum + time.duration_us, 0);
  const end = stopped ? STAGES.indexOf(stopped) : -1;
  const stateOf = (place: number): 'passed' | 'stopped' | 'notReached' => {
    if (end < 0) return refused ? 'notReached' : 'passed';
    if (place === end) return 'stopped';
    return place < end ? 'passed' : 'notReached';
  };
  const time = (stage: string) => {
    const micros = took.get(stage);
    if (micros === undefined) return null;
    const width = `${total ? (micros / total) * 100 : 0}%`;
    return (
      <>
        <span className="road-time">{format.millis(micros / 1000)}</span>
        <span className="road-bar" aria-hidden="true">
          <span style={{ width }} />
        </span>
      </>
    );
  };
  const aside = (stage: string | undefined) =>
    stage !== undefined &&
    took.has(stage) && (
      <li key={stage}>
        <span className="lead">{t.stages[stage]}</span> {time(stage)}
      </li>
    );
  return (
    <ol className="road">
      {STAGES.flatMap((stage, place) => {
        const state = stateOf(place);
        return [
          aside(BETWEEN[stage]),
          <li key={stage} data-state={state}>
            <span>{t.stages[stage]}</span> <span className="lead">{t.audit[state]}</span>
            {time(stage)}
          </li>,
        ];
      })}
      {aside(LAST)}
    </ol>
  );
}
