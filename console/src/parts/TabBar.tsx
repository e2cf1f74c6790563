import { Tabs } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';
import { clean, useFilters } from './filters.ts';
import { useNavigate } from '@tanstack/react-router';

export interface Tab {
  name: string;
  label: string;
  content: () => ReactNode;
}

/** Tabs whose choice is in the address. Filters belong to their tab and do not come along. */
export function TabBar({ tabs, label }: { tabs: Tab[]; label: string }) {
  const [filters] = useFilters();
  const navigate = useNavigate();
  const first = tabs[0]?.name ?? '';
  const chosen = tabs.some((tab) => tab.name === filters.tab) ? (filters.tab ?? first) : first;
  const list = useRef<HTMLDivElement>(null);
  // On a phone not all tabs are in sight.
  useEffect(() => {
    list.current?.querySelector(`[data-tab="${chosen}"]`)?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [chosen]);
  const choose = (tab: string | null) => {
    navigate({ to: '.', search: () => clean({ tab: tab === first ? undefined : (tab ?? undefined) }) } as never);
  };
  return (
    <Tabs value={chosen} onChange={choose} keepMounted={false} className="tabs">
      <Tabs.List aria-label={label} ref={list}>
        {tabs.map((tab) => (
          <Tabs.Tab key={tab.name} value={tab.name} data-tab={tab.name}>
            {tab.label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {tabs.map((tab) => (
        <Tabs.Panel key={tab.name} value={tab.name} className="tab-panel">
          {tab.content()}
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
