import { useT } from '../../i18n/index.tsx';

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

/** How far a call came, and where it was stopped. */
export function Road({ stopped, refused }: { stopped: string | undefined; refused: boolean }) {
  const t = useT();
  const end = stopped ? STAGES.indexOf(stopped) : -1;
  const stateOf = (place: number): 'passed' | 'stopped' | 'notReached' => {
    if (end < 0) return refused ? 'notReached' : 'passed';
    if (place === end) return 'stopped';
    return place < end ? 'passed' : 'notReached';
  };
  return (
    <ol className="road">
      {STAGES.map((stage, place) => {
        const state = stateOf(place);
        return (
          <li key={stage} data-state={state}>
            <span>{t.stages[stage]}</span> <span className="lead">{t.audit[state]}</span>
          </li>
        );
      })}
    </ol>
  );
}
