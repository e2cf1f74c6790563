// Filters of a list. Each has a name of its own in the address.

import { Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch, IconX } from '@tabler/icons-react';
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
  const none: Filters = Object.fromEntries(filters.map((filter) => [filter.name, undefined]));
  return (
    <Group gap="xs" align="end" className="filters" role="search" aria-label={t.common.filters}>
      {filters.map((filter) =>
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
