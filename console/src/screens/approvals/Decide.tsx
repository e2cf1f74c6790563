import { Button, Group, JsonInput, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { type ApprovalDetails, type Decision, decide } from '../../api/approvals.ts';
import { signIn } from '../../api/client.ts';
import { useT } from '../../i18n/index.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';

type Way = Decision['way'];

/** What the reader may do about a request; if nothing, why. */
export function Decide({ request }: { request: ApprovalDetails }) {
  const t = useT();
  const [way, setWay] = useState<Way>();
  const { may } = request;
  if (request.state !== 'pending' && !may.cancel) return null;
  const ways: Way[] = may.decide ? ['approve', 'refuse', 'edit', 'delegate'] : [];
  if (may.cancel) ways.push('cancel');
  // Whoever does not see the arguments can't write them anew.
  const offered = ways.filter((one) => one !== 'edit' || !request.arguments_masked);
  return (
    <Section title={t.approvals.decide}>
      {!may.decide && may.why_not && (
        <Text size="sm" role="note">
          {t.approvals.whyNot[may.why_not] ?? may.why_not}
        </Text>
      )}
      {may.why_not === 'step_up_needed' && (
        <Group>
          <Button size="xs" onClick={() => signIn('mfa')}>
            {t.account.stepUp}
          </Button>
        </Group>
      )}
      <Group gap="xs">
        {!may.decide && (
          <Button size="xs" disabled>
            {t.approvals.ways.approve}
          </Button>
        )}
        {offered.map((one) => (
          <Button
            key={one}
            size="xs"
            variant={one === 'approve' ? 'filled' : 'default'}
            aria-expanded={way === one}
            onClick={() => setWay(way === one ? undefined : one)}
          >
            {t.approvals.ways[one]}
          </Button>
        ))}
      </Group>
      {way && <DecideForm key={way} way={way} request={request} close={() => setWay(undefined)} />}
    </Section>
  );
}

interface FormProps {
  way: Way;
  request: ApprovalDetails;
  close: () => void;
}

function decisionOf(way: Way, request: ApprovalDetails, text: string): Decision {
  switch (way) {
    case 'approve':
      return { way, arguments_digest: request.arguments_digest, ...(text ? { note: text } : {}) };
    case 'refuse':
      return { way, reason: text };
    case 'edit':
      return { way, arguments: JSON.parse(text) };
    case 'delegate':
      return { way, to: text };
    case 'cancel':
      return { way };
  }
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

function DecideForm({ way, request, close }: FormProps) {
  const t = useT();
  const client = useQueryClient();
  const [text, setText] = useState(way === 'edit' ? JSON.stringify(request.arguments, null, 2) : '');
  const doing = useMutation({
    mutationFn: () => decide(request.id, decisionOf(way, request, text.trim())),
    onSuccess: () => {
      client.invalidateQueries({ queryKey: ['approvals'] });
      succeeded(t.approvals.did[way]);
      close();
    },
  });
  const ready = way === 'approve' || way === 'cancel' || (way === 'edit' ? isJsonObject(text) : text.trim() !== '');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) doing.mutate();
  };
  const label = t.approvals.labels[way];
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Text size="sm">{t.approvals.consequences[way]}</Text>
        {way === 'edit' ? (
          <JsonInput label={label} value={text} onChange={setText} autosize minRows={4} validationError={t.approvals.notJson} />
        ) : way === 'delegate' ? (
          <TextInput label={label} required value={text} onChange={(event) => setText(event.currentTarget.value)} />
        ) : (
          way !== 'cancel' && (
            <Textarea
              label={label}
              required={way === 'refuse'}
              autosize
              minRows={2}
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
            />
          )
        )}
        {doing.error && <ProblemNotice error={doing.error} />}
        <Group justify="end">
          <Button size="xs" variant="default" onClick={close}>
            {t.common.cancel}
          </Button>
          <Button
            size="xs"
            type="submit"
            color={way === 'refuse' || way === 'cancel' ? 'red.8' : 'gate'}
            disabled={!ready}
            loading={doing.isPending}
          >
            {t.approvals.confirm[way]}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
