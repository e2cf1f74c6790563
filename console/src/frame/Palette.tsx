import { createSpotlight, Spotlight, type SpotlightActionData } from '@mantine/spotlight';
import '@mantine/spotlight/styles.css';
import { IconArrowRight, IconFileSearch, IconFlag, IconSearch } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { inspection } from '../i18n/inspection.ts';
import { limits } from '../i18n/limits.ts';
import { policies } from '../i18n/policies.ts';
import { promotions } from '../i18n/promotions.ts';
import { providers } from '../i18n/providers.ts';
import { stops } from '../i18n/stops.ts';
import { useT, useWording } from '../i18n/index.tsx';
import { useGo } from '../parts/links.tsx';
import { PLACES } from './places.ts';
import type { Messages } from '../i18n/en.ts';
import type { Language } from '../i18n/index.tsx';

const [store, spotlight] = createSpotlight();

/** The tabs of screens: what they are called, whose they are, and their names in the address. */
function tabs(t: Messages, language: Language): [label: string, place: keyof Messages['places'], path: string, tab: string][] {
  const policy = policies[language];
  const inspected = inspection[language];
  return [
    [t.approvals.requested, 'approvals', '/approvals', 'mine'],
    [t.approvals.decided, 'approvals', '/approvals', 'decided'],
    [t.catalog.connectors, 'catalog', '/catalog', 'connectors'],
    [promotions[language].tab, 'catalog', '/catalog', 'promotions'],
    [t.policies.test, 'policies', '/policies', 'test'],
    [t.policies.roles, 'policies', '/policies', 'roles'],
    [policy.rails, 'policies', '/policies', 'guard-rails'],
    [t.policies.versions, 'policies', '/policies', 'versions'],
    [policy.draft, 'policies', '/policies', 'draft'],
    [inspected.rules, 'inspection', '/inspection', 'rules'],
    [inspected.conversations, 'inspection', '/inspection', 'conversations'],
    [t.access.groups, 'access', '/access', 'groups'],
    [t.access.accounts, 'access', '/access', 'accounts'],
    [t.access.clients, 'access', '/access', 'clients'],
    [policy.reach, 'access', '/access', 'reach'],
    [stops[language].tab, 'access', '/access', 'stops'],
    [t.settings.clientSetup, 'settings', '/settings', 'clients'],
    [providers[language].tab, 'settings', '/settings', 'providers'],
    [t.settings.scim, 'settings', '/settings', 'scim'],
    [limits[language].tab, 'settings', '/settings', 'limits'],
  ];
}

/** Go anywhere, or search the audit log for what was typed. Opens each time that `wanted` grows. */
export default function Palette({ wanted }: { wanted: number }) {
  const t = useT();
  const { language } = useWording();
  const go = useGo();
  const [query, setQuery] = useState('');
  useEffect(() => {
    if (wanted > 0) spotlight.open();
  }, [wanted]);
  const places: SpotlightActionData[] = PLACES.map((place) => ({
    id: place.path,
    label: t.places[place.name],
    description: t.leads[place.name],
    keywords: [place.name],
    leftSection: <place.icon size={18} aria-hidden />,
    onClick: () => go(place.path),
  }));
  const within: SpotlightActionData[] = tabs(t, language).map(([label, place, path, tab]) => ({
    id: `${path}?tab=${tab}`,
    label,
    description: t.places[place],
    keywords: [tab],
    leftSection: <IconArrowRight size={18} aria-hidden />,
    onClick: () => go(path, { tab }),
  }));
  const more: SpotlightActionData[] = [
    {
      id: 'start',
      label: t.start.title,
      description: t.start.lead,
      keywords: ['start', 'setup', 'checklist'],
      leftSection: <IconFlag size={18} aria-hidden />,
      onClick: () => go('/start'),
    },
  ];
  if (query.trim()) {
    more.push({
      id: 'search',
      label: t.frame.searchAudit(query.trim()),
      keywords: [query],
      leftSection: <IconFileSearch size={18} aria-hidden />,
      onClick: () => go('/audit', { text: query.trim() }),
    });
  }
  return (
    <Spotlight
      store={store}
      actions={[...places, ...within, ...more]}
      query={query}
      onQueryChange={setQuery}
      shortcut={null}
      attributes={{ content: { 'aria-label': t.frame.find } }}
      nothingFound={t.frame.nothingFound}
      searchProps={{
        leftSection: <IconSearch size={18} aria-hidden />,
        placeholder: t.frame.paletteHint,
        'aria-label': t.frame.paletteHint,
      }}
    />
  );
}
