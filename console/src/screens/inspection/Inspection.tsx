import { Stack } from '@mantine/core';
import { useT, useTexts } from '../../i18n/index.tsx';
import { inspection } from '../../i18n/inspection.ts';
import { PageHead } from '../../parts/PageHead.tsx';
import { TabBar } from '../../parts/TabBar.tsx';
import { Bench } from './Bench.tsx';
import { Conversations } from './Conversations.tsx';
import { FalseAlarms } from './FalseAlarms.tsx';
import { Rules } from './Rules.tsx';

export default function Inspection() {
  const t = useT();
  const s = useTexts(inspection);
  return (
    <Stack gap={0} className="fill">
      <PageHead title={t.places.inspection} lead={t.leads.inspection} />
      <TabBar
        label={t.places.inspection}
        tabs={[
          { name: 'bench', label: s.bench, content: () => <Bench /> },
          { name: 'rules', label: s.rules, content: () => <Rules /> },
          { name: 'false-alarms', label: s.alarms, content: () => <FalseAlarms /> },
          { name: 'conversations', label: s.conversations, content: () => <Conversations /> },
        ]}
      />
    </Stack>
  );
}
