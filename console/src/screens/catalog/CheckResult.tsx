import { Group, Text } from '@mantine/core';
import type { Schemas } from '../../api/client.ts';
import { connectors } from '../../i18n/connectors.ts';
import { useTexts } from '../../i18n/index.tsx';
import { Mark } from '../../parts/Mark.tsx';
import { ToButton } from '../../parts/links.tsx';

/** What came of asking a connector. */
export function CheckResult({ of }: { of: Schemas['ConnectorDetails'] }) {
  const s = useTexts(connectors);
  if (of.state === 'disabled') return <Text size="sm">{s.off}</Text>;
  if (of.state !== 'ready') {
    return (
      <div>
        <Mark tone="bad">{s.fails}</Mark>
        <Text size="sm">{of.problem}</Text>
      </div>
    );
  }
  return (
    <Group gap="xs">
      <Mark tone="good">{s.works(of.tools)}</Mark>
      {of.unreviewed > 0 && (
        <ToButton to="/catalog" search={{ connector: of.name }}>
          {s.review}
        </ToButton>
      )}
    </Group>
  );
}
