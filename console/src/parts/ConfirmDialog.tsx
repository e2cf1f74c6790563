import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { useT } from '../i18n/index.tsx';
import { Dialog } from './Dialog.tsx';
import { succeeded } from './notices.ts';
import { ProblemNotice } from './ProblemNotice.tsx';

export interface Confirmation {
  title: string;
  /** What will happen, and whether it can be undone. */
  consequence: ReactNode;
  /** What the button says. */
  verb: string;
  done: string;
  /** Text to type first, where something is destroyed. */
  typed?: string;
  danger?: boolean;
  act: () => Promise<unknown>;
  /** Parts of the gate to look at again. */
  touches: string[];
}

/** Asks before it acts, shows what went wrong, and tells when it is done. */
export function ConfirmDialog({ asked, close }: { asked: Confirmation | null; close: () => void }) {
  return (
    <Dialog opened={asked !== null} close={close} title={asked?.title}>
      {asked && <Asking asked={asked} close={close} />}
    </Dialog>
  );
}

function Asking({ asked, close }: { asked: Confirmation; close: () => void }) {
  const t = useT();
  const client = useQueryClient();
  const [typed, setTyped] = useState('');
  const doing = useMutation({
    mutationFn: asked.act,
    onSuccess: () => {
      for (const area of asked.touches) client.invalidateQueries({ queryKey: [area] });
      succeeded(asked.done);
      close();
    },
  });
  const ready = !asked.typed || typed === asked.typed;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) doing.mutate();
      }}
    >
      <Stack>
        <Text component="div" size="sm">
          {asked.consequence}
        </Text>
        {asked.typed && (
          <TextInput
            label={t.common.typeToConfirm(asked.typed)}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
            data-autofocus
          />
        )}
        {doing.error && <ProblemNotice error={doing.error} />}
        <Group justify="end">
          <Button variant="default" onClick={close}>
            {t.common.cancel}
          </Button>
          <Button type="submit" color={asked.danger ? 'red.8' : 'gate'} loading={doing.isPending} disabled={!ready}>
            {asked.verb}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
