import { Group, Text } from '@mantine/core';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useMe } from '../../api/me.tsx';
import { useT, useTexts } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { Dialog } from '../../parts/Dialog.tsx';
import { useFilters } from '../../parts/filters.ts';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { useConfirm } from '../../parts/useConfirm.tsx';
import { type Saying, WordForm } from '../../parts/WordForm.tsx';

const AREA = 'policies';
type Word = 'approve' | 'reject';

/** What can be done next with a version on its way into force. */
export function Lifecycle({ set }: { set: Schemas['PolicySetView'] }) {
  const t = useT();
  const s = useTexts(policies);
  const me = useMe();
  const [, change] = useFilters();
  const [dialog, confirm] = useConfirm();
  const [word, setWord] = useState<Word>();
  const { version, state } = set;
  const name = t.policies.version(version);
  const params = { path: { version } };
  const touches = [AREA];
  const own = set.author === me.id ? s.secondPerson : undefined;
  const open = state === 'draft' || state === 'rejected' || state === 'log_only' || state === 'approved';
  const trial = () =>
    confirm({
      title: s.trialTitle(name),
      consequence: s.trialText,
      verb: s.trial,
      done: s.onTrial(name),
      act: () => answer(api.POST('/api/v1/policies/{version}/log-only', { params })),
      touches,
    });
  const endTrial = () =>
    confirm({
      title: s.endTrialTitle(name),
      consequence: s.endTrialText,
      verb: s.endTrial,
      done: s.trialEnded(name),
      act: () => answer(api.DELETE('/api/v1/policies/{version}/log-only', { params })),
      touches,
    });
  const activate = () =>
    confirm({
      title: s.activateTitle(name),
      consequence: s.activateText,
      verb: s.activate,
      done: s.activated(name),
      act: () => answer(api.POST('/api/v1/policies/{version}/activate', { params })),
      touches,
    });
  const words: Record<Word, Saying> = {
    approve: {
      text: s.agreeText,
      label: s.note,
      verb: s.agreeVerb,
      done: s.agreed(name),
      say: (note) => answer(api.POST('/api/v1/policies/{version}/approve', { params, body: { note } })),
      touches,
    },
    reject: {
      text: s.rejectText,
      label: s.note,
      verb: s.rejectVerb,
      done: s.rejected(name),
      danger: true,
      say: (note) => answer(api.POST('/api/v1/policies/{version}/reject', { params, body: { note } })),
      touches,
    },
  };
  return (
    <>
      <Group gap="xs" role="group" aria-label={s.decideTitle}>
        {open && (
          <>
            <GuardedButton area={AREA} size="xs" unless={own} onClick={() => setWord('approve')}>
              {s.agree}
            </GuardedButton>
            <GuardedButton area={AREA} size="xs" variant="default" onClick={() => setWord('reject')}>
              {s.reject}
            </GuardedButton>
            <GuardedButton area={AREA} size="xs" variant="default" onClick={state === 'log_only' ? endTrial : trial}>
              {state === 'log_only' ? s.endTrial : s.trial}
            </GuardedButton>
          </>
        )}
        {state !== 'active' && (
          <GuardedButton
            area={AREA}
            size="xs"
            color="red.8"
            unless={state === 'draft' || state === 'rejected' ? s.mustBeAgreed : undefined}
            onClick={activate}
          >
            {s.activate}
          </GuardedButton>
        )}
        <GuardedButton
          area={AREA}
          size="xs"
          variant="default"
          onClick={() => change({ tab: 'draft', from: String(version), open: undefined }, 'push')}
        >
          {s.edit}
        </GuardedButton>
      </Group>
      {own && open && <Text size="sm">{own}</Text>}
      <Dialog
        opened={word !== undefined}
        close={() => setWord(undefined)}
        title={word === 'approve' ? s.agreeTitle(name) : s.rejectTitle(name)}
      >
        {word && <WordForm of={words[word]} close={() => setWord(undefined)} />}
      </Dialog>
      {dialog}
    </>
  );
}
