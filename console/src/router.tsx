// The addresses of the console. Each screen is a file of its own that is loaded when it is opened.

import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router';
import { Frame } from './frame/Frame.tsx';
import { Lost } from './frame/Lost.tsx';
import { clean, type Filters } from './parts/filters.ts';
import { Waiting } from './parts/Waiting.tsx';

const root = createRootRoute({ component: Frame, notFoundComponent: Lost });

const screen = (path: string, load: () => Promise<{ default: () => React.JSX.Element }>) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) });

const routeTree = root.addChildren([
  screen('/', () => import('./screens/overview/Overview.tsx')),
  screen('/start', () => import('./screens/start/Start.tsx')),
  screen('/approvals', () => import('./screens/approvals/Approvals.tsx')),
  screen('/audit', () => import('./screens/audit/Audit.tsx')),
  screen('/audit/story/$correlation', () => import('./screens/audit/Story.tsx')),
  screen('/catalog', () => import('./screens/catalog/Catalog.tsx')),
  screen('/policies', () => import('./screens/policies/Policies.tsx')),
  screen('/inspection', () => import('./screens/inspection/Inspection.tsx')),
  screen('/false-alarm', () => import('./screens/false-alarm/FalseAlarm.tsx')),
  screen('/access', () => import('./screens/access/Access.tsx')),
  screen('/alerts', () => import('./screens/alerts/Alerts.tsx')),
  screen('/settings', () => import('./screens/settings/Settings.tsx')),
]);

// What is in the address are plain texts, as anybody would write them: `?user=user:hanako&outcome=refused`.
const parseSearch = (text: string): Filters => Object.fromEntries(new URLSearchParams(text));
const stringifySearch = (filters: Filters): string => {
  const text = new URLSearchParams(clean(filters)).toString();
  return text ? `?${text}` : '';
};

export const router = createRouter({
  routeTree,
  basepath: '/ui',
  parseSearch,
  stringifySearch,
  defaultPendingComponent: Waiting,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
