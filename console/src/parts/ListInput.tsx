import { TextInput } from '@mantine/core';
import { useState } from 'react';

interface Props {
  label: string;
  hint?: string;
  value: string[];
  change: (value: string[]) => void;
  required?: boolean;
}

const partsOf = (text: string) =>
  text
    .split(/[,、，]/)
    .map((one) => one.trim())
    .filter(Boolean);

/** Several short texts, separated by commas. */
export function ListInput({ label, hint, value, change, required = false }: Props) {
  const [typed, setTyped] = useState(value.join(', '));
  return (
    <TextInput
      label={label}
      description={hint}
      required={required}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        change(partsOf(event.currentTarget.value));
      }}
    />
  );
}
