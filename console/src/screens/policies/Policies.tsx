import { Stack } from '@mantine/core';
import { useT, useTexts } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { PageHead } from '../../parts/PageHead.tsx';
import { TabBar } from '../../parts/TabBar.tsx';
import { Draft } from './Draft.tsx';
import { Explain } from './Explain.tsx';
import { GuardRails } from './GuardRails.tsx';
import { InForce } from './InForce.tsx';
import { Roles } from './Roles.tsx';
import { Versions } from './Versions.tsx';

export default function Policies() {
  const t = useT();
  const s = useTexts(policies);
  return (
    <Stack gap={0} className="fill">
      <PageHead title={t.places.policies} lead={t.leads.policies} />
      <TabBar
        label={t.places.policies}
        tabs={[
          { name: 'active', label: t.policies.inForce, content: () => <InForce /> },
          { name: 'test', label: t.policies.test, content: () => <Explain /> },
          { name: 'roles', label: t.policies.roles, content: () => <Roles /> },
          { name: 'guard-rails', label: s.rails, content: () => <GuardRails /> },
          { name: 'versions', label: t.policies.versions, content: () => <Versions /> },
          { name: 'draft', label: s.draft, content: () => <Draft /> },
        ]}
      />
    </Stack>
  );
}
