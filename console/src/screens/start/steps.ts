// How far an installation is, as far as the reader may see it.

import { useQuery } from '@tanstack/react-query';
import { answer, api } from '../../api/client.ts';
import { roleOf } from '../../api/roles.ts';
import { useConfiguration } from '../settings/Configuration.tsx';

export interface Step {
  name: string;
  /** Unknown while it is asked, and to those who may not see it. */
  done: boolean | undefined;
  optional?: boolean;
}

const limit = 200;

export const useProviders = () =>
  useQuery({
    queryKey: ['identity-providers', 'start'],
    queryFn: () => answer(api.GET('/api/v1/identity-providers')),
  });

export const useSystems = () =>
  useQuery({
    queryKey: ['catalog', 'start'],
    queryFn: () => answer(api.GET('/api/v1/connectors', { params: { query: { limit } } })),
  });

export const useRails = () =>
  useQuery({
    queryKey: ['guard-rails'],
    queryFn: () => answer(api.GET('/api/v1/guard-rails')),
  });

export function useSteps(): Step[] {
  const configuration = useConfiguration().data;
  const providers = useProviders().data?.items;
  const systems = useSystems().data?.items;
  const settings = useRails().data?.settings;
  const people = useQuery({
    queryKey: ['people', 'start'],
    queryFn: () => answer(api.GET('/api/v1/users', { params: { query: { limit: 20, active: true } } })),
  }).data?.items;
  const tokens = useQuery({
    queryKey: ['scim-tokens', 'start'],
    queryFn: () => answer(api.GET('/api/v1/scim-tokens', { params: { query: { limit: 20 } } })),
  }).data?.items;
  const roles = useQuery({
    queryKey: ['policies', 'start'],
    queryFn: () => answer(api.GET('/api/v1/roles', { params: { query: { limit } } })),
  }).data?.items;
  const clients = useQuery({
    queryKey: ['clients', 'start'],
    queryFn: () => answer(api.GET('/api/v1/clients', { params: { query: { limit: 1 } } })),
  }).data?.items;
  const stops = useQuery({
    queryKey: ['kill-switches', 'start'],
    queryFn: () => answer(api.GET('/api/v1/kill-switches', { params: { query: { limit } } })),
  }).data?.items;
  const calls = useQuery({
    queryKey: ['overview', 168],
    queryFn: () => answer(api.GET('/api/v1/overview', { params: { query: { hours: 168 } } })),
  }).data?.calls.now;
  const granting = roles?.map(roleOf).flatMap((role) => role.grants);
  const named = settings && granting && [
    settings.approvers,
    groupsOf(configuration?.settings, 'approver_groups'),
    ...granting.map((one) => one.approval?.approvers),
  ];
  return [
    { name: 'address', done: configuration && configuration.public_url === location.origin },
    { name: 'provider', done: providers?.some((one) => one.enabled && !one.awaiting) },
    { name: 'people', done: people?.some((one) => one.source !== 'local') },
    { name: 'scim', done: tokens?.some((one) => one.state === 'active'), optional: true },
    { name: 'connector', done: systems && systems.length > 0 },
    { name: 'review', done: systems && systems.some((one) => one.tools > 0) && systems.every((one) => one.unreviewed === 0) },
    { name: 'roles', done: roles && roles.length > 0 },
    { name: 'rails', done: settings && (settings.internal_domains ?? []).length > 0 },
    { name: 'approvers', done: named?.some((one) => (one ?? []).length > 0) },
    { name: 'client', done: clients && clients.length > 0 },
    { name: 'drill', done: stops?.some((one) => one.drill) },
    { name: 'call', done: calls === undefined ? undefined : calls > 0 },
  ];
}

/** Names in a list of `[approvals]`. */
export function groupsOf(settings: { section: string; name: string; value: unknown }[] | undefined, name: string): string[] {
  const found = settings?.find((one) => one.section === 'approvals' && one.name === name)?.value;
  return Array.isArray(found) ? found.map(String) : [];
}
