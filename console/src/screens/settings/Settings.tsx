import { Stack } from '@mantine/core';
import { useT } from '../../i18n/index.tsx';
import { PageHead } from '../../parts/PageHead.tsx';
import { TabBar } from '../../parts/TabBar.tsx';
import { ClientSetup } from './ClientSetup.tsx';
import { Gate } from './Gate.tsx';
import { ScimTokens } from './ScimTokens.tsx';

export default function Settings() {
  const t = useT();
  return (
    <Stack gap={0} className="fill">
      <PageHead title={t.places.settings} lead={t.leads.settings} />
      <TabBar
        label={t.places.settings}
        tabs={[
          { name: 'gate', label: t.settings.gate, content: () => <Gate /> },
          { name: 'clients', label: t.settings.clientSetup, content: () => <ClientSetup /> },
          { name: 'scim', label: t.settings.scim, content: () => <ScimTokens /> },
        ]}
      />
    </Stack>
  );
}
