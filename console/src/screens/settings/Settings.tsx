import { Stack } from '@mantine/core';
import { configuration } from '../../i18n/configuration.ts';
import { useT, useTexts } from '../../i18n/index.tsx';
import { limits } from '../../i18n/limits.ts';
import { providers } from '../../i18n/providers.ts';
import { PageHead } from '../../parts/PageHead.tsx';
import { TabBar } from '../../parts/TabBar.tsx';
import { ClientSetup } from './ClientSetup.tsx';
import { Configuration } from './Configuration.tsx';
import { Gate } from './Gate.tsx';
import { IdentityProviders } from './IdentityProviders.tsx';
import { Limits } from './Limits.tsx';
import { Records } from './Records.tsx';
import { ScimTokens } from './ScimTokens.tsx';

export default function Settings() {
  const t = useT();
  const s = useTexts(limits);
  const p = useTexts(providers);
  const c = useTexts(configuration);
  return (
    <Stack gap={0} className="fill">
      <PageHead title={t.places.settings} lead={t.leads.settings} />
      <TabBar
        label={t.places.settings}
        tabs={[
          { name: 'gate', label: t.settings.gate, content: () => <Gate /> },
          { name: 'clients', label: t.settings.clientSetup, content: () => <ClientSetup /> },
          { name: 'providers', label: p.tab, content: () => <IdentityProviders /> },
          { name: 'scim', label: t.settings.scim, content: () => <ScimTokens /> },
          { name: 'limits', label: s.tab, content: () => <Limits /> },
          { name: 'records', label: c.records, content: () => <Records /> },
          { name: 'configuration', label: c.tab, content: () => <Configuration /> },
        ]}
      />
    </Stack>
  );
}
