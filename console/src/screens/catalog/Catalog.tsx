import { Stack } from '@mantine/core';
import { useT, useTexts } from '../../i18n/index.tsx';
import { promotions } from '../../i18n/promotions.ts';
import { PageHead } from '../../parts/PageHead.tsx';
import { TabBar } from '../../parts/TabBar.tsx';
import { Connectors } from './Connectors.tsx';
import { Promotions } from './Promotions.tsx';
import { Tools } from './Tools.tsx';

export default function Catalog() {
  const t = useT();
  const s = useTexts(promotions);
  return (
    <Stack gap={0} className="fill">
      <PageHead title={t.places.catalog} lead={t.leads.catalog} />
      <TabBar
        label={t.places.catalog}
        tabs={[
          { name: 'tools', label: t.catalog.tools, content: () => <Tools /> },
          { name: 'connectors', label: t.catalog.connectors, content: () => <Connectors /> },
          { name: 'promotions', label: s.tab, content: () => <Promotions /> },
        ]}
      />
    </Stack>
  );
}
