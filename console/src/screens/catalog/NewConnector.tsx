import { Anchor, Button, Checkbox, Group, Stack, Text, TextInput, UnstyledButton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type Schemas } from '../../api/client.ts';
import { useTexts, useWording } from '../../i18n/index.tsx';
import { connectors } from '../../i18n/connectors.ts';
import { Copyable } from '../../parts/Copyable.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Waiting } from '../../parts/Waiting.tsx';
import { CommonFields, useSaving } from './ConnectorForm.tsx';
import './connectors.css';
import { fill, type Settings, type Template, templateOf } from './connectorSettings.ts';

type TemplateView = Schemas['ConnectorTemplateView'];

/** A connector from a template: choose what it is, fill in the rest. */
export function NewConnector({ done }: { done: (name: string) => void }) {
  const s = useTexts(connectors);
  const [picked, pick] = useState<TemplateView>();
  const templates = useQuery({
    queryKey: ['connector-templates'],
    queryFn: () => answer(api.GET('/api/v1/connector-templates')),
  });
  if (templates.error) return <ProblemNotice error={templates.error} retry={() => templates.refetch()} />;
  if (!templates.data) return <Waiting />;
  if (!picked) return <Templates of={templates.data.items} pick={pick} />;
  return (
    <Stack gap="sm">
      <div>
        <Button size="compact-xs" variant="default" onClick={() => pick(undefined)}>
          {s.other}
        </Button>
      </div>
      <Filling key={picked.id} view={picked} done={done} />
    </Stack>
  );
}

function Templates({ of, pick }: { of: TemplateView[]; pick: (template: TemplateView) => void }) {
  const s = useTexts(connectors);
  const { language } = useWording();
  return (
    <Stack gap="xs">
      <Text size="sm">{s.pick}</Text>
      <ul className="plain-list templates">
        {of.map((view) => {
          const template = templateOf(view);
          return (
            <li key={view.id}>
              <UnstyledButton className="template" onClick={() => pick(view)}>
                <Text component="span" fw={600} size="sm">
                  {template.title[language]}
                </Text>
                <Text component="span" size="xs">
                  {template.description[language]}
                </Text>
              </UnstyledButton>
            </li>
          );
        })}
      </ul>
    </Stack>
  );
}

/** What a shell takes as one word. */
const word = (text: string) => (/^[\w./:=@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

function commandOf(template: Template, name: string, filled: Record<string, string>): string {
  const set = template.fields.map((field) => {
    const given = filled[field.name] || field.example;
    return `--set ${word(`${field.name}=${field.secret ? `env:${given}` : given}`)}`;
  });
  return ['sekimori connector add', name || template.id, '--template', template.id, ...set].join(' ');
}

function Filling({ view, done }: { view: TemplateView; done: (name: string) => void }) {
  const s = useTexts(connectors);
  const { language } = useWording();
  const template = templateOf(view);
  const [name, setName] = useState(['http', 'sse', 'stdio'].includes(view.id) ? '' : view.id);
  const [title, setTitle] = useState('');
  const [filled, setFilled] = useState<Record<string, string>>({});
  const [inside, setInside] = useState(false);
  const [common, setCommon] = useState<Partial<Settings>>({});
  const saving = useSaving(done);
  const made = fill(template, filled, title.trim() || name.trim());
  const remote = made.transport.kind !== 'stdio';
  if (remote) made.transport.allow_private_network = inside;
  const settings = { ...made, ...common };
  const missing = !name.trim() || template.fields.some((field) => !field.optional && !filled[field.name]);
  return (
    <Stack gap="sm">
      <Text size="sm">
        {template.description[language]}{' '}
        {template.homepage && (
          <Anchor href={template.homepage} target="_blank" rel="noreferrer" size="sm">
            {s.homepage}
          </Anchor>
        )}
      </Text>
      <TextInput label={s.name} description={s.nameHint} required value={name} onChange={(event) => setName(event.currentTarget.value)} />
      <TextInput label={s.title} value={title} placeholder={name} onChange={(event) => setTitle(event.currentTarget.value)} />
      {template.fields.map((field) => (
        <TextInput
          key={field.name}
          label={field.label[language]}
          required={!field.optional}
          description={field.secret ? `${field.optional ? `${s.optional}。` : ''}${s.secretHint}` : undefined}
          placeholder={field.example}
          value={filled[field.name] ?? ''}
          onChange={(event) => {
            const { value } = event.currentTarget;
            setFilled((before) => ({ ...before, [field.name]: value.trim() }));
          }}
        />
      ))}
      {remote && (
        <Checkbox label={s.privateNetwork} checked={inside} onChange={(event) => setInside(event.currentTarget.checked)} />
      )}
      <CommonFields of={settings} change={(change) => setCommon((before) => ({ ...before, ...change }))} />
      {saving.error && <ProblemNotice error={saving.error} />}
      <Group justify="end">
        <GuardedButton
          area="catalog"
          loading={saving.isPending}
          unless={view.available ? (missing ? s.missing : undefined) : s.unavailable}
          onClick={() => saving.mutate({ name: name.trim(), settings })}
        >
          {s.save}
        </GuardedButton>
      </Group>
      <div>
        <Text size="xs">{view.available ? s.byCommand : s.unavailable}</Text>
        <Copyable text={commandOf(template, name, filled)} block />
      </div>
    </Stack>
  );
}
