import { Stack } from '@mantine/core';
import { useT } from '../../i18n/index.tsx';
import { PageHead } from '../../parts/PageHead.tsx';
import { TabBar } from '../../parts/TabBar.tsx';
import { Explain } from './Explain.tsx';
import { InForce } from './InForce.tsx';
import { Versions } from './Versions.tsx';

export default function Policies() {
  const t = useT();
  return (
    <Stack gap={0} className="fill">
      <PageHead title={t.places.policies} lead={t.leads.policies} />
      <TabBar
        label={t.places.policies}
        tabs={[
          { name: 'active', label: t.policies.inForce, content: () => <InForce /> },
          { name: 'test', label: t.policies.test, content: () => <Explain /> },
          { name: 'versions', label: t.policies.versions, content: () => <Versions /> },
        ]}
      />
    </Stack>
  );
}
