// What changes, as it changes: one stream of server-sent events for the whole console.

import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect, useSyncExternalStore } from 'react';

/** Which queries look at which part of the gate. The first word of a query's key is its part. */
export type Area = string;

let newRecords = 0;
const listeners = new Set<() => void>();
const tell = () => {
  for (const listener of listeners) listener();
};

/** How often the audit log grew since it was last looked at. Reading it makes records too, so it is not read
 * again by itself. */
export function useNewRecords(): { grown: boolean; seen: () => void } {
  const grown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => newRecords > 0,
  );
  const seen = () => {
    newRecords = 0;
    tell();
  };
  return { grown, seen };
}

function heard(client: QueryClient, areas: Area[]) {
  for (const area of areas) {
    if (area === 'audit') {
      newRecords += 1;
      tell();
    } else {
      client.invalidateQueries({ queryKey: [area] });
    }
  }
}

export function useLiveUpdates(): void {
  const client = useQueryClient();
  useEffect(() => {
    const source = new EventSource('/api/v1/events');
    source.addEventListener('changed', (event) => {
      const told = JSON.parse(event.data) as { areas: Area[] };
      heard(client, told.areas);
    });
    return () => source.close();
  }, [client]);
}
