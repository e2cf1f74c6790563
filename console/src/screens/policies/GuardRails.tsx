import { Group, Paper, Stack, Switch, Text, Title } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useT, useTexts, useWording } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { Cedar } from '../../parts/Cedar.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { ListInput } from '../../parts/ListInput.tsx';
import { useGo } from '../../parts/links.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Waiting } from '../../parts/Waiting.tsx';

const AREA = 'guard-rails';

/**
 * What stands above roles and policies: which are on, and whom they ask.
 * `saved` is told of the draft that has the change; otherwise the draft is opened.
 */
export function GuardRails({ saved }: { saved?: (version: number) => void }) {
  const rails = useQuery({
    queryKey: [AREA],
    queryFn: () => answer(api.GET('/api/v1/guard-rails')),
  });
  if (rails.error) return <ProblemNotice error={rails.error} retry={() => rails.refetch()} />;
  return rails.data ? <Rails key={JSON.stringify(rails.data.settings)} rails={rails.data} saved={saved} /> : <Waiting />;
}

function Rails({ rails, saved }: { rails: Schemas['GuardRailsView']; saved: ((version: number) => void) | undefined }) {
  const t = useT();
  const s = useTexts(policies);
  const go = useGo();
  const client = useQueryClient();
  const { settings } = rails;
  const [off, setOff] = useState(settings.off ?? []);
  const [domains, setDomains] = useState(settings.internal_domains ?? []);
  const [approvers, setApprovers] = useState(settings.approvers ?? []);
  const saving = useMutation({
    mutationFn: () => answer(api.PUT('/api/v1/guard-rails', { body: { off, internal_domains: domains, approvers } })),
    onSuccess: ({ version }) => {
      for (const area of [AREA, 'policies']) client.invalidateQueries({ queryKey: [area] });
      succeeded(s.railsSaved(t.policies.version(version)));
      if (saved) saved(version);
      else go('/policies', { tab: 'versions', open: String(version) });
    },
  });
  const turn = (id: string, on: boolean) => setOff((before) => (on ? before.filter((one) => one !== id) : [...before, id]));
  return (
    <Stack>
      <Text size="sm">{s.railsLead}</Text>
      <Stack component="ul" className="plain-list" gap="xs">
        {rails.guard_rails.map((rail) => (
          <li key={rail.id}>
            <Rail rail={rail} on={!off.includes(rail.id)} turn={(on) => turn(rail.id, on)} />
          </li>
        ))}
      </Stack>
      <ListInput label={s.domains} hint={s.commas} value={domains} change={setDomains} />
      <ListInput label={s.approvers} hint={s.commas} value={approvers} change={setApprovers} />
      {saving.error && <ProblemNotice error={saving.error} />}
      <Group justify="end">
        <GuardedButton area={AREA} loading={saving.isPending} onClick={() => saving.mutate()}>
          {s.saveRails}
        </GuardedButton>
      </Group>
    </Stack>
  );
}

function Rail({ rail, on, turn }: { rail: Schemas['GuardRailView']; on: boolean; turn: (on: boolean) => void }) {
  const s = useTexts(policies);
  const { language } = useWording();
  const [title, description] =
    language === 'ja' ? [rail.title_ja, rail.description_ja] : [rail.title, rail.description];
  return (
    <Paper withBorder p="sm" component="section" aria-label={title}>
      <Group justify="space-between" wrap="nowrap" align="start">
        <div>
          <div className="marks">
            <Title order={2} size="h5">
              {title}
            </Title>
            {rail.can_be_approved && <Mark tone="info">{s.approvable}</Mark>}
          </div>
          <Text size="sm">{description}</Text>
        </div>
        <Switch
          flex="none"
          checked={on}
          label={on ? s.on : s.off}
          aria-label={`${title}: ${on ? s.on : s.off}`}
          onChange={(event) => turn(event.currentTarget.checked)}
        />
      </Group>
      <details>
        <summary>{s.railPolicy}</summary>
        <Cedar text={rail.text} />
      </details>
    </Paper>
  );
}
