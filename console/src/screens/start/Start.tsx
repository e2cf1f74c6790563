import { Group, Progress, Stack, Text, Title } from '@mantine/core';
import { start } from '../../i18n/start.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { useFilters } from '../../parts/filters.ts';
import { To, ToButton } from '../../parts/links.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { PageHead } from '../../parts/PageHead.tsx';
import { Panel } from './Panel.tsx';
import './start.css';
import { type Step, useSteps } from './steps.ts';

/** What is open until people can work: one step after the other, or any. Each is looked up, none is ticked by hand. */
export default function Start() {
  const t = useT();
  const s = useTexts(start);
  const [filters] = useFilters();
  const steps = useSteps();
  const done = steps.filter((step) => step.done).length;
  const firstOpen = steps.find((step) => step.done === false && !step.optional);
  const here = steps.find((step) => step.name === filters.step) ?? firstOpen ?? steps[0];
  const next = here && steps[steps.indexOf(here) + 1];
  const words = here && s.all[here.name];
  return (
    <>
      <PageHead title={t.start.title} lead={t.start.lead} />
      <Text size="sm" role="status">
        {s.progress(done, steps.length)}
      </Text>
      <Progress mb="md" value={(100 * done) / steps.length} aria-label={s.progress(done, steps.length)} />
      <div className="wizard">
        <nav aria-label={s.steps}>
          <ol className="plain-list steps">
            {steps.map((step) => (
              <li key={step.name}>
                <To to="/start" search={{ step: step.name }} className="step" aria-current={step === here ? 'step' : undefined}>
                  <span>{s.all[step.name]?.title}</span>
                  <StepMark step={step} />
                </To>
              </li>
            ))}
          </ol>
        </nav>
        {here && words && (
          <section aria-labelledby="step-title">
            <Stack>
              <div>
                <Title order={2} size="h3" id="step-title">
                  {words.title}
                </Title>
                <Text size="sm">{words.text}</Text>
              </div>
              <Panel key={here.name} step={here.name} />
              {next && (
                <Group justify="end">
                  <ToButton to="/start" search={{ step: next.name }} variant={here.done ? 'filled' : 'default'}>
                    {`${s.next}: ${s.all[next.name]?.title}`}
                  </ToButton>
                </Group>
              )}
            </Stack>
          </section>
        )}
      </div>
    </>
  );
}

function StepMark({ step }: { step: Step }) {
  const s = useTexts(start);
  if (step.done === undefined) return <Mark>{s.unknown}</Mark>;
  if (step.done) return <Mark tone="good">{s.done}</Mark>;
  return <Mark tone={step.optional ? 'plain' : 'warn'}>{step.optional ? s.optional : s.open}</Mark>;
}
