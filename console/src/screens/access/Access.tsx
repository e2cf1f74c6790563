import { Stack } from '@mantine/core';
import { useT, useTexts } from '../../i18n/index.tsx';
import { policies } from '../../i18n/policies.ts';
import { stops } from '../../i18n/stops.ts';
import { PageHead } from '../../parts/PageHead.tsx';
import { TabBar } from '../../parts/TabBar.tsx';
import { Accounts } from './Accounts.tsx';
import { Clients } from './Clients.tsx';
import { Effective } from './Effective.tsx';
import { Groups } from './Groups.tsx';
import { KillSwitches } from './KillSwitches.tsx';
import { People } from './People.tsx';

export default function Access() {
  const t = useT();
  const s = useTexts(stops);
  const p = useTexts(policies);
  return (
    <Stack gap={0} className="fill">
      <PageHead title={t.places.access} lead={t.leads.access} />
      <TabBar
        label={t.places.access}
        tabs={[
          { name: 'people', label: t.access.people, content: () => <People /> },
          { name: 'groups', label: t.access.groups, content: () => <Groups /> },
          { name: 'accounts', label: t.access.accounts, content: () => <Accounts /> },
          { name: 'clients', label: t.access.clients, content: () => <Clients /> },
          { name: 'reach', label: p.reach, content: () => <Effective /> },
          { name: 'stops', label: s.tab, content: () => <KillSwitches /> },
        ]}
      />
    </Stack>
  );
}
