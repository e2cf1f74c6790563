// Filters, tabs and what is open: all in the address, so that it can be shared and the back button works.

import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback } from 'react';

export type Filters = Record<string, string | undefined>;

/** The address's query, and a way to change parts of it. `undefined` and the empty text remove a part. */
export function useFilters(): [Filters, (change: Filters, push?: 'push') => void] {
  const filters = useSearch({ strict: false }) as Filters;
  const navigate = useNavigate();
  const change = useCallback(
    (next: Filters, push?: 'push') => {
      navigate({
        to: '.',
        search: (before: Filters) => clean({ ...before, ...next }),
        replace: push !== 'push',
        resetScroll: false,
      } as never);
    },
    [navigate],
  );
  return [filters, change];
}

export function clean(filters: Filters): Record<string, string> {
  const kept = Object.entries(filters).filter((pair): pair is [string, string] => Boolean(pair[1]));
  return Object.fromEntries(kept);
}
