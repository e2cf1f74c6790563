// The parts of the console, in the order of the day's work.

import {
  IconBell,
  IconChecklist,
  IconFileSearch,
  IconGauge,
  IconPlugConnected,
  IconScale,
  IconScan,
  IconSettings,
  IconUsers,
} from '@tabler/icons-react';
import type { Messages } from '../i18n/en.ts';

export interface Place {
  path: string;
  name: keyof Messages['places'];
  icon: typeof IconBell;
  /** Pressed after `g`. */
  key: string;
}

export const PLACES: Place[] = [
  { path: '/', name: 'overview', icon: IconGauge, key: 'o' },
  { path: '/approvals', name: 'approvals', icon: IconChecklist, key: 'p' },
  { path: '/audit', name: 'audit', icon: IconFileSearch, key: 'a' },
  { path: '/catalog', name: 'catalog', icon: IconPlugConnected, key: 'c' },
  { path: '/policies', name: 'policies', icon: IconScale, key: 'l' },
  { path: '/inspection', name: 'inspection', icon: IconScan, key: 'i' },
  { path: '/access', name: 'access', icon: IconUsers, key: 'u' },
  { path: '/alerts', name: 'alerts', icon: IconBell, key: 'n' },
  { path: '/settings', name: 'settings', icon: IconSettings, key: 's' },
];
