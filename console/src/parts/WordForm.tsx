import { Button, Group, Stack, Text, Textarea } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useT } from '../i18n/index.tsx';
import { succeeded } from './notices.ts';
import { ProblemNotice } from './ProblemNotice.tsx';

export interface Saying {
  /** What follows from it. */
  text: string;
  /** What the words are about. */
  label: string;
  /** What the button says. */
  verb: string;
  done: string;
  danger?: boolean;
  /** Sends the words. */
  say: (note: string) => Promise<unknown>;
  /** Parts of the gate to look at again. */
  touches: string[];
}

/** Agreeing or not takes a word of why. */
export function WordForm({ of, close }: { of: Saying; close: () => void }) {
  const t = useT();
  const client = useQueryClient();
  const [note, setNote] = useState('');
  const saying = useMutation({
    mutationFn: () => of.say(note.trim()),
    onSuccess: () => {
      for (const area of of.touches) client.invalidateQueries({ queryKey: [area] });
      succeeded(of.done);
      close();
    },
  });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (note.trim()) saying.mutate();
      }}
    >
      <Stack gap="sm">
        <Text size="sm">{of.text}</Text>
        <Textarea
          label={of.label}
          required
          autosize
          minRows={2}
          data-autofocus
          value={note}
          onChange={(event) => setNote(event.currentTarget.value)}
        />
        {saying.error && <ProblemNotice error={saying.error} />}
        <Group justify="end">
          <Button variant="default" onClick={close}>
            {t.common.cancel}
          </Button>
          <Button type="submit" color={of.danger ? 'red.8' : 'gate'} disabled={!note.trim()} loading={saying.isPending}>
            {of.verb}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
