import { Button, type ButtonProps, Tooltip } from '@mantine/core';
import type { ReactNode } from 'react';
import { signIn } from '../api/client.ts';
import { type RightAction, useRight } from '../api/me.tsx';
import { useT } from '../i18n/index.tsx';

interface Props extends ButtonProps {
  area: string;
  action?: RightAction;
  /** Why it can't be used now, whoever asks. */
  unless?: string | undefined;
  onClick: () => void;
  children: ReactNode;
}

/** A button that is never hidden: if it can't be used, it says why. */
export function GuardedButton({ area, action = 'manage', unless, onClick, children, ...looks }: Props) {
  const right = useRight(area, action);
  const t = useT();
  const why = right.allowed ? unless : right.why;
  if (!why) {
    return (
      <Button {...looks} onClick={onClick}>
        {children}
      </Button>
    );
  }
  const step = right.step === 'mfa' ? () => signIn('mfa') : undefined;
  return (
    <Tooltip label={step ? `${why} ${t.rights.clickToStepUp}` : why} multiline maw={320} events={{ hover: true, focus: true, touch: true }}>
      <Button {...looks} aria-disabled data-disabled aria-description={why} onClick={step ?? ((event) => event.preventDefault())}>
        {children}
      </Button>
    </Tooltip>
  );
}
