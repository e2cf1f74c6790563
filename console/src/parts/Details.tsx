import { Drawer, ScrollArea } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { Fragment, type ReactNode } from 'react';
import { useT } from '../i18n/index.tsx';
import { ProblemNotice } from './ProblemNotice.tsx';
import { Waiting } from './Waiting.tsx';

interface Props<T> {
  title: ReactNode;
  /** Nothing is open without it. */
  opened: boolean;
  close: () => void;
  query: UseQueryResult<T>;
  children: (thing: T) => ReactNode;
}

/** The one drawer of the console: a thing, looked at closely, beside the list that it is from. */
export function Details<T>({ title, opened, close, query, children }: Props<T>) {
  const t = useT();
  return (
    <Drawer
      opened={opened}
      onClose={close}
      position="right"
      size="xl"
      title={title}
      scrollAreaComponent={ScrollArea.Autosize}
      closeButtonProps={{ 'aria-label': t.common.close }}
    >
      {query.data !== undefined ? (
        children(query.data)
      ) : query.error ? (
        <ProblemNotice error={query.error} retry={() => query.refetch()} />
      ) : (
        <Waiting />
      )}
    </Drawer>
  );
}

/** Names and values. What has no value is left out. */
export function Fields({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="fields">
      {of
        .filter(([, value]) => value !== undefined && value !== null && value !== '' && value !== false)
        .map(([name, value]) => (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </Fragment>
        ))}
    </dl>
  );
}
