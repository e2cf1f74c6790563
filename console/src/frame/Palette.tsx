import { createSpotlight, Spotlight, type SpotlightActionData } from '@mantine/spotlight';
import '@mantine/spotlight/styles.css';
import { IconFileSearch, IconFlag, IconSearch } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { useT } from '../i18n/index.tsx';
import { useGo } from '../parts/links.tsx';
import { PLACES } from './places.ts';

const [store, spotlight] = createSpotlight();

/** Go anywhere, or search the audit log for what was typed. Opens each time that `wanted` grows. */
export default function Palette({ wanted }: { wanted: number }) {
  const t = useT();
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
      actions={[...places, ...more]}
      query={query}
      onQueryChange={setQuery}
      shortcut={null}
      aria-label={t.frame.find}
      nothingFound={t.frame.nothingFound}
      searchProps={{
        leftSection: <IconSearch size={18} aria-hidden />,
        placeholder: t.frame.paletteHint,
        'aria-label': t.frame.paletteHint,
      }}
    />
  );
}
