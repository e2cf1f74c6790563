import { Code, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api } from '../../api/client.ts';
import { configuration } from '../../i18n/configuration.ts';
import { useTexts } from '../../i18n/index.tsx';
import { Copyable } from '../../parts/Copyable.tsx';
import { Fields } from '../../parts/Details.tsx';
import { ProblemNotice } from '../../parts/ProblemNotice.tsx';
import { Section } from '../../parts/Section.tsx';
import { SmallTable } from '../../parts/SmallTable.tsx';
import { Waiting } from '../../parts/Waiting.tsx';

export const useConfiguration = () =>
  useQuery({
    queryKey: ['settings', 'configuration'],
    queryFn: () => answer(api.GET('/api/v1/configuration')),
  });

const shown = (value: unknown, unset: string) => {
  if (value === null || (Array.isArray(value) && value.length === 0)) return unset;
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
};

/** The configuration file: what is set, and where it is to be changed. */
export function Configuration() {
  const s = useTexts(configuration);
  const [text, setText] = useState('');
  const found = useConfiguration();
  if (found.error) return <ProblemNotice error={found.error} retry={() => found.refetch()} />;
  if (!found.data) return <Waiting />;
  const { file, version, settings } = found.data;
  const wanted = text.trim().toLowerCase();
  const fits = settings.filter((one) => `${one.section}.${one.name}`.includes(wanted));
  const sections = [...new Set(fits.map((one) => one.section))];
  return (
    <Stack>
      <Text size="sm">{s.lead}</Text>
      <Fields
        of={[
          [s.file, <Copyable key="file" text={file} />],
          [s.version, version],
        ]}
      />
      <TextInput maw="24rem" label={s.find} value={text} onChange={(event) => setText(event.currentTarget.value)} />
      {sections.length === 0 && <Text size="sm">{s.none}</Text>}
      {sections.map((section) => (
        <Section key={section} title={s.sections[section] ?? section}>
          <SmallTable
            label={s.sections[section] ?? section}
            head={[s.setting, s.value]}
            rows={fits
              .filter((one) => one.section === section)
              .map((one) => ({
                key: one.name,
                cells: [
                  <Code key="name">{`${section}.${one.name}`}</Code>,
                  <span key="value" className="setting">
                    {shown(one.value, s.unset)}
                  </span>,
                ],
              }))}
          />
        </Section>
      ))}
    </Stack>
  );
}
