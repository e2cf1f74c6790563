import { Button, Checkbox, Group, NumberInput, TextInput } from '@mantine/core';
import { type Condition, CONDITIONS, type Field, type Value } from '../../api/roles.ts';
import { useTexts } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { ListInput } from '../../parts/ListInput.tsx';
import { clockOf } from './words.ts';

interface Props {
  condition: Condition;
  change: (condition: Condition) => void;
  remove: () => void;
}

/** One condition of a grant. What its kind asks for is in a table. */
export function ConditionEditor({ condition, change, remove }: Props) {
  const s = useTexts(policies);
  const title = s.conditionKinds[condition.kind] ?? condition.kind;
  const set = (name: string, value: Value) => {
    const { [name]: _, ...rest } = condition;
    change((value === undefined ? rest : { ...rest, [name]: value }) as Condition);
  };
  return (
    <fieldset className="condition">
      <legend>{title}</legend>
      <Group align="end" gap="sm">
        {(CONDITIONS[condition.kind] ?? []).map((field) => (
          <FieldInput key={field.name} field={field} value={condition[field.name]} change={(value) => set(field.name, value)} />
        ))}
        <Button size="compact-xs" variant="default" onClick={remove} aria-label={`${s.removeCondition}: ${title}`}>
          {s.removeCondition}
        </Button>
      </Group>
    </fieldset>
  );
}

function FieldInput({ field, value, change }: { field: Field; value: Value; change: (value: Value) => void }) {
  const s = useTexts(policies);
  const label = s.fields[field.name] ?? field.name;
  switch (field.as) {
    case 'list':
      return <ListInput label={label} hint={s.commas} required value={(value as string[] | undefined) ?? []} change={change} />;
    case 'text':
      return (
        <TextInput label={label} required value={String(value ?? '')} onChange={(event) => change(event.currentTarget.value)} />
      );
    case 'number':
      return (
        <NumberInput
          label={label}
          value={typeof value === 'number' ? value : ''}
          onChange={(next) => change(next === '' ? undefined : Number(next))}
        />
      );
    case 'flag':
      return <Checkbox label={label} checked={value === true} onChange={(event) => change(event.currentTarget.checked)} />;
    case 'time':
      return (
        <TextInput
          type="time"
          label={label}
          value={clockOf(Number(value ?? 0))}
          onChange={(event) => {
            const [hour = '0', minute = '0'] = event.currentTarget.value.split(':');
            change(Number(hour) * 60 + Number(minute));
          }}
        />
      );
    case 'weekdays':
      return (
        <Checkbox.Group
          label={label}
          value={Array.isArray(value) ? value.map(String) : []}
          onChange={(days) => change(days.map(Number).sort())}
        >
          <Group gap="xs">
            {s.weekdays.map((name, place) => (
              <Checkbox key={name} value={String(place + 1)} label={name} size="sm" />
            ))}
          </Group>
        </Checkbox.Group>
      );
  }
}
