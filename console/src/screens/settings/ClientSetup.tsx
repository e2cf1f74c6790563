import { Stack, Text } from '@mantine/core';
import { useT } from '../../i18n/index.tsx';
import { Copyable } from '../../parts/Copyable.tsx';
import { Section } from '../../parts/Section.tsx';

/** How people connect their AI clients: to be copied and handed on. */
export function ClientSetup() {
  const t = useT();
  const address = `${location.origin}/mcp`;
  const snippets: [string, string][] = [
    ['Claude Code', `claude mcp add --transport http sekimori ${address}`],
    ['VS Code', `code --add-mcp '${JSON.stringify({ name: 'sekimori', type: 'http', url: address })}'`],
    ['Cursor', JSON.stringify({ mcpServers: { sekimori: { url: address } } }, null, 2)],
  ];
  return (
    <Stack>
      <Text size="sm">{t.settings.snippetsLead}</Text>
      <Section title={t.settings.address}>
        <Copyable text={address} />
      </Section>
      {snippets.map(([name, text]) => (
        <Section key={name} title={name}>
          <Copyable text={text} block />
        </Section>
      ))}
      <Section title={t.settings.other}>
        <Text size="sm">{t.settings.otherText}</Text>
      </Section>
    </Stack>
  );
}
