// The one list of the console: pages come by cursor as one scrolls, and only what is in sight is drawn, so that a
// hundred thousand records scroll like ten.

import { Text } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useEffect, useMemo, useRef } from 'react';
import type { Page } from '../api/client.ts';
import { useFormat, useT } from '../i18n/index.tsx';
import { ProblemNotice } from './ProblemNotice.tsx';
import { Waiting } from './Waiting.tsx';

const ROW_PX = 44;
/** How near the end one must be for more to be fetched. */
const FETCH_AHEAD = 30;

export interface Column<T> {
  label: string;
  /** A track of CSS grid; one fraction where it is left out. */
  width?: string;
  cell: (item: T) => ReactNode;
  /** Left out where there is little room. */
  wideOnly?: boolean;
  /** What is shown instead where there is little room. */
  narrow?: { width: string; cell: (item: T) => ReactNode };
}

interface Props<T> {
  /** Its accessible name. */
  label: string;
  queryKey: readonly unknown[];
  fetch: (cursor: string | undefined, signal: AbortSignal) => Promise<Page<T>>;
  columns: Column<T>[];
  rowKey: (item: T) => string;
  open?: (item: T) => void;
  /** Leaves out items that the server can't leave out. */
  keep?: (item: T) => boolean;
  empty: ReactNode;
  /** Asked for again so often, where nobody tells of changes. */
  refreshMs?: number;
}

export function Listing<T>({ label, queryKey, fetch, columns, rowKey, open, keep, empty, refreshMs }: Props<T>) {
  const t = useT();
  const format = useFormat();
  const wide = useMediaQuery('(min-width: 48em)', true) ?? true;
  const scroller = useRef<HTMLDivElement>(null);
  const list = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam, signal }) => fetch(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    refetchInterval: refreshMs ?? false,
  });
  const items = useMemo(() => {
    const all = list.data?.pages.flatMap((page) => page.items) ?? [];
    return keep ? all.filter(keep) : all;
  }, [list.data, keep]);
  const shown = wide
    ? columns
    : columns.filter((column) => !column.wideOnly).map((column) => ({ ...column, ...column.narrow }));
  const tracks = shown.map((column) => column.width ?? 'minmax(0, 1fr)').join(' ');
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  const inSight = rows.getVirtualItems();
  const last = inSight.at(-1)?.index ?? -1;
  const { hasNextPage, isFetchingNextPage, fetchNextPage, isError } = list;
  const nearEnd = last >= items.length - FETCH_AHEAD;
  useEffect(() => {
    if (nearEnd && hasNextPage && !isFetchingNextPage && !isError) fetchNextPage();
  }, [nearEnd, hasNextPage, isFetchingNextPage, isError, fetchNextPage]);

  if (list.isPending) return <Waiting />;
  if (list.error && items.length === 0) return <ProblemNotice error={list.error} retry={() => list.refetch()} />;
  if (items.length === 0 && !hasNextPage) return empty;
  return (
    <div className="listing">
      <div className="listing-scroller" ref={scroller} tabIndex={0} role="region" aria-label={label}>
        <div role="table" aria-label={label} aria-rowcount={hasNextPage ? -1 : items.length + 1}>
          <div role="row" className="listing-head" aria-rowindex={1} style={{ gridTemplateColumns: tracks }}>
            {shown.map((column) => (
              <div role="columnheader" key={column.label}>
                {column.label}
              </div>
            ))}
          </div>
          <div role="rowgroup" style={{ height: rows.getTotalSize(), position: 'relative' }}>
            {inSight.map((row) => {
              const item = items[row.index];
              if (item === undefined) return null;
              return (
                <Row
                  key={rowKey(item)}
                  item={item}
                  columns={shown}
                  tracks={tracks}
                  index={row.index}
                  top={row.start}
                  open={open}
                />
              );
            })}
          </div>
        </div>
      </div>
      <Text size="xs" className="listing-foot" role="status">
        {t.common.shown(format.number(items.length), hasNextPage)}
        {isFetchingNextPage && ` ${t.common.loading}`}
      </Text>
      {list.error && <ProblemNotice error={list.error} retry={() => fetchNextPage()} />}
    </div>
  );
}

interface RowProps<T> {
  item: T;
  columns: Column<T>[];
  tracks: string;
  index: number;
  top: number;
  open: ((item: T) => void) | undefined;
}

function Row<T>({ item, columns, tracks, index, top, open }: RowProps<T>) {
  const act = open && (() => open(item));
  return (
    <div
      role="row"
      tabIndex={-1}
      className="listing-row"
      aria-rowindex={index + 2}
      style={{ gridTemplateColumns: tracks, transform: `translateY(${top}px)`, height: ROW_PX }}
      onClick={act}
      data-opens={act ? true : undefined}
    >
      {columns.map((column, place) => {
        const content = column.cell(item);
        return (
          // A text that is cut off is read by pointing at it.
          <div role="cell" key={column.label} title={typeof content === 'string' ? content : undefined}>
            {place === 0 && act ? (
              <button type="button" className="row-open" onClick={stopped(act)}>
                {content}
              </button>
            ) : (
              content
            )}
          </div>
        );
      })}
    </div>
  );
}

/** The row below is clicked as well, and must not act twice. */
function stopped(act: () => void) {
  return (event: { stopPropagation: () => void }) => {
    event.stopPropagation();
    act();
  };
}
