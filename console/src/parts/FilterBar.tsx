// Filters of a list. Each has a name of its own in the address.

import { Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback, useDisclosure, useMediaQuery } from '@mantine/hooks';
import { IconFilter, IconSearch, IconX } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { useT } from '../i18n/index.tsx';
import { type Filters, useFilters } from './filters.ts';

const TYPING_MS = 350;

interface Choice {
  value: string;
  label: string;
}

export type Filter =
  | { kind: 'text'; name: string; label: string; placeholder?: string; wide?: boolean }
  | { kind: 'choice'; name: string; label: string; choices: Choice[]; any: string };

export function FilterBar({ filters }: { filters: Filter[] }) {
  const t = useT();
  const [values, change] = useFilters();
  const used = filters.some((filter) => values[filter.name]);
  const wide = useMediaQuery('(min-width: 48em)', true) ?? true;
  const [unfolded, { toggle }] = useDisclosure(false);
  const shown = wide || unfolded ? filters : filters.slice(0, 1);
  const none: Filters = Object.fromEntries(filters.map((filter) => [filter.name, undefined]));
  return (
    <Group gap="xs" align="end" className="filters" role="search" aria-label={t.common.filters}>
      {shown.map((filter) =>
        filter.kind === 'text' ? (
          <TextFilter
            key={filter.name}
            filter={filter}
            value={values[filter.name] ?? ''}
            change={(value) => change({ [filter.name]: value })}
          />
        ) : (
          <NativeSelect
            key={filter.name}
            size="xs"
            label={filter.label}
            value={values[filter.name] ?? ''}
            data={[{ value: '', label: filter.any }, ...filter.choices]}
            onChange={(event) => change({ [filter.name]: event.currentTarget.value })}
          />
        ),
      )}
      {!wide && filters.length > 1 && (
        <Button size="xs" variant="default" aria-expanded={unfolded} leftSection={<IconFilter size={14} />} onClick={toggle}>
          {t.common.filters}
        </Button>
      )}
      {used && (
        <Button size="xs" variant="subtle" leftSection={<IconX size={14} />} onClick={() => change(none)}>
          {t.common.clearFilters}
        </Button>
      )}
    </Group>
  );
}

interface TextFilterProps {
  filter: Extract<Filter, { kind: 'text' }>;
  value: string;
  change: (value: string) => void;
}

function TextFilter({ filter, value, change }: TextFilterProps) {
  const [typed, setTyped] = useState(value);
  // The address may change by itself: a link, the back button.
  useEffect(() => setTyped(value), [value]);
  const later = useDebouncedCallback(change, TYPING_MS);
  return (
    <TextInput
      size="xs"
      type="search"
      label={filter.label}
      placeholder={filter.placeholder ?? ''}
      className={filter.wide ? 'filter-wide' : undefined}
      leftSection={filter.wide ? <IconSearch size={14} /> : undefined}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        later(event.currentTarget.value.trim());
      }}
    />
  );
}
