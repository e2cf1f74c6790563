import { Button, Checkbox, Group, NativeSelect, NumberInput, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api } from '../../api/client.ts';
import { CLASSES } from '../../api/roles.ts';
import { constraints } from '../../i18n/constraints.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { GuardedButton } from '../../parts/GuardedButton.tsx';
import { ListInput } from '../../parts/ListInput.tsx';
import { succeeded } from '../../parts/notices.ts';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { Waiting } from '../../parts/Waiting.tsx';
import './connectors.css';

type Value = string | number | boolean | string[] | undefined;
type Rule = { kind: string } & Record<string, Value>;

interface Projection {
  name: string;
  pointers: string[];
  rule: Rule;
  required?: boolean;
  resource?: boolean;
}

interface Mode {
  pointer: string;
  classes: Record<string, string>;
  absent?: string;
}

/** What this editor does not know is kept as it is. */
interface Declared {
  [more: string]: unknown;
  tags?: string[];
  mode?: Mode;
  projection?: Projection[];
}

/** What each kind of value can be bound by, and how that is entered. */
const KINDS: Record<string, Record<string, 'number' | 'list' | 'text' | 'flag'>> = {
  integer: { min: 'number', max: 'number' },
  decimal: { places: 'number', min: 'number', max: 'number' },
  boolean: { only: 'flag' },
  text: { one_of: 'list', pattern: 'text', chars_max: 'number' },
  recipients: { domains: 'list', max: 'number' },
  host: { hosts: 'list' },
  path: { root: 'text' },
  date: { past_days: 'number', future_days: 'number' },
  count: { max: 'number' },
  sql: { verbs: 'list', tables: 'list' },
};
/** What a kind can't do without. */
const NEEDED: Record<string, Rule> = { decimal: { kind: 'decimal', places: 2 }, path: { kind: 'path', root: '' } };

const choices = (words: Record<string, string>) => Object.entries(words).map(([value, label]) => ({ value, label }));

/** What policies may know of a tool's arguments, in the editor. */
export function Constraints({ connector, tool }: { connector: string; tool: string }) {
  const s = useTexts(constraints);
  const path = { connector, tool };
  const found = useQuery({
    queryKey: ['catalog', 'constraints', connector, tool],
    queryFn: () => answer(api.GET('/api/v1/connectors/{connector}/tools/{tool}/constraints', { params: { path } })),
  });
  if (found.error) return <ProblemNotice error={found.error} retry={() => found.refetch()} />;
  if (!found.data) return <Waiting />;
  const { in_force, suggested_tags } = found.data;
  const declared = found.data.constraints as Declared;
  return (
    <Section title={s.title}>
      <Text size="sm">{s.lead}</Text>
      <Form
        key={JSON.stringify(declared)}
        path={path}
        declared={declared}
        suggested={suggested_tags}
        unless={in_force ? undefined : s.unreviewed}
      />
    </Section>
  );
}

interface FormProps {
  path: { connector: string; tool: string };
  declared: Declared;
  suggested: string[];
  unless: string | undefined;
}

function Form({ path, declared, suggested, unless }: FormProps) {
  const s = useTexts(constraints);
  const client = useQueryClient();
  const [tags, setTags] = useState(declared.tags ?? []);
  const [rules, setRules] = useState(declared.projection ?? []);
  const [mode, setMode] = useState(declared.mode);
  const saving = useMutation({
    mutationFn: () => {
      const { mode: _, ...rest } = declared;
      const body = { ...rest, tags, projection: rules, ...(mode?.pointer ? { mode } : {}) };
      return answer(
        api.PUT('/api/v1/connectors/{connector}/tools/{tool}/constraints', { params: { path }, body: body as never }),
      );
    },
    onSuccess: () => {
      client.invalidateQueries({ queryKey: ['catalog'] });
      succeeded(s.saved(`${path.connector}/${path.tool}`));
    },
  });
  const edit = (place: number, changed: Partial<Projection>) =>
    setRules(rules.map((rule, at) => (at === place ? { ...rule, ...changed } : rule)));
  return (
    <Stack gap="sm">
      <Checkbox.Group label={s.tags} value={tags} onChange={setTags}>
        <Stack gap={6} mt={6}>
          {Object.entries(s.tagNames).map(([tag, label]) => (
            <Checkbox key={tag} value={tag} size="sm" label={suggested.includes(tag) ? `${label}（${s.suggested}）` : label} />
          ))}
        </Stack>
      </Checkbox.Group>
      <Section title={s.projections}>
        {rules.map((rule, place) => (
          <ProjectionFields
            // Rules are told apart by their places: their names are being typed.
            key={`${place} of ${rules.length}`}
            number={place + 1}
            of={rule}
            change={(changed) => edit(place, changed)}
            remove={() => setRules(rules.filter((_, at) => at !== place))}
          />
        ))}
        <Group mt="xs">
          <Button
            size="compact-xs"
            variant="default"
            onClick={() => setRules([...rules, { name: '', pointers: [], rule: { kind: 'integer' } }])}
          >
            {s.add}
          </Button>
        </Group>
      </Section>
      <ModeFields of={mode} change={setMode} />
      {saving.error && <ProblemNotice error={saving.error} />}
      <Group>
        <GuardedButton area="catalog" loading={saving.isPending} unless={unless} onClick={() => saving.mutate()}>
          {s.save}
        </GuardedButton>
      </Group>
    </Stack>
  );
}

interface ProjectionProps {
  number: number;
  of: Projection;
  change: (changed: Partial<Projection>) => void;
  remove: () => void;
}

function ProjectionFields({ number, of, change, remove }: ProjectionProps) {
  const s = useTexts(constraints);
  const set = (name: string, value: Value) => {
    const { [name]: _, ...rest } = of.rule;
    change({ rule: (value === undefined || value === '' ? rest : { ...rest, [name]: value }) as Rule });
  };
  return (
    <fieldset className="rows">
      <legend>{s.projection(String(number))}</legend>
      <SimpleGrid cols={{ base: 1, sm: 3 }} spacing="xs">
        <TextInput size="xs" required label={s.name} value={of.name} onChange={(event) => change({ name: event.currentTarget.value.trim() })} />
        <ListInput label={s.pointers} hint={s.pointersHint} required value={of.pointers} change={(pointers) => change({ pointers })} />
        <NativeSelect
          size="xs"
          label={s.kind}
          data={choices(s.kinds)}
          value={of.rule.kind}
          onChange={(event) => {
            const kind = event.currentTarget.value;
            change({ rule: NEEDED[kind] ?? { kind } });
          }}
        />
        {Object.entries(KINDS[of.rule.kind] ?? {}).map(([name, as]) => (
          <RuleField key={`${of.rule.kind} ${name}`} name={name} as={as} value={of.rule[name]} change={(value) => set(name, value)} />
        ))}
      </SimpleGrid>
      <Group gap="md">
        <Checkbox size="xs" label={s.required} checked={of.required ?? false} onChange={(event) => change({ required: event.currentTarget.checked })} />
        <Checkbox size="xs" label={s.resource} checked={of.resource ?? false} onChange={(event) => change({ resource: event.currentTarget.checked })} />
      </Group>
      <Button size="compact-xs" variant="default" onClick={remove}>
        {s.remove}
      </Button>
    </fieldset>
  );
}

function RuleField({ name, as, value, change }: { name: string; as: string; value: Value; change: (value: Value) => void }) {
  const s = useTexts(constraints);
  const label = s.fields[name] ?? name;
  if (as === 'list') return <ListInput label={label} value={Array.isArray(value) ? value : []} change={change} />;
  if (as === 'number') {
    return (
      <NumberInput
        size="xs"
        label={label}
        allowDecimal={false}
        value={typeof value === 'number' ? value : ''}
        onChange={(typed) => change(typed === '' ? undefined : Number(typed))}
      />
    );
  }
  if (as === 'flag') {
    return (
      <NativeSelect
        size="xs"
        label={label}
        data={choices({ '': s.any, true: s.yes, false: s.no })}
        value={value === undefined ? '' : String(value)}
        onChange={(event) => change(event.currentTarget.value === '' ? undefined : event.currentTarget.value === 'true')}
      />
    );
  }
  return (
    <TextInput
      size="xs"
      label={label}
      value={typeof value === 'string' ? value : ''}
      onChange={(event) => change(event.currentTarget.value)}
    />
  );
}

/** The argument that decides what the tool does. */
function ModeFields({ of, change }: { of: Mode | undefined; change: (mode: Mode | undefined) => void }) {
  const t = useT();
  const s = useTexts(constraints);
  const [rows, setRows] = useState(() => Object.entries(of?.classes ?? {}));
  const classes = CLASSES.map((one) => ({ value: one, label: t.classes[one] ?? one }));
  const set = (changed: Partial<Mode>, next = rows) => {
    setRows(next);
    const filled = next.filter(([value]) => value !== '');
    change({ pointer: of?.pointer ?? '', ...of, ...changed, classes: Object.fromEntries(filled) });
  };
  return (
    <Section title={s.mode}>
      <Text size="sm">{s.modeLead}</Text>
      <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="xs">
        <TextInput size="xs" label={s.modePointer} placeholder="/action" value={of?.pointer ?? ''} onChange={(event) => set({ pointer: event.currentTarget.value.trim() })} />
        <NativeSelect size="xs" label={s.modeAbsent} data={classes} value={of?.absent ?? 'admin'} onChange={(event) => set({ absent: event.currentTarget.value })} />
      </SimpleGrid>
      {rows.map(([value, name], place) => (
        <Group key={`${place} of ${rows.length}`} gap="xs" align="end" wrap="nowrap">
          <TextInput
            size="xs"
            flex={1}
            label={s.modeValue}
            value={value}
            onChange={(event) => {
              const typed = event.currentTarget.value;
              set({}, rows.map((row, at) => (at === place ? [typed, row[1]] : row)));
            }}
          />
          <NativeSelect
            size="xs"
            label={s.modeClass}
            data={classes}
            value={name}
            onChange={(event) => {
              const chosen = event.currentTarget.value;
              set({}, rows.map((row, at) => (at === place ? [row[0], chosen] : row)));
            }}
          />
          <Button size="xs" variant="default" onClick={() => set({}, rows.filter((_, at) => at !== place))}>
            {s.modeRemove}
          </Button>
        </Group>
      ))}
      <Group mt="xs">
        <Button size="compact-xs" variant="default" onClick={() => set({}, [...rows, ['', 'read']])}>
          {s.modeAdd}
        </Button>
      </Group>
    </Section>
  );
}
