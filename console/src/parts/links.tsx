// Ways to other screens. Addresses of the console are plain texts here: screens are put together at run time.

import { Button, type ButtonProps } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ComponentProps, type ReactNode, useCallback } from 'react';
import { clean, type Filters } from './filters.ts';

interface ToProps extends Omit<ComponentProps<'a'>, 'href'> {
  to: string;
  search?: Filters;
}

/** A link within the console. */
export function To({ to, search = {}, ...props }: ToProps) {
  return <Link {...(props as object)} to={to as never} search={clean(search) as never} />;
}

/** The same, looking like a button. */
export function ToButton({ to, search, children, ...looks }: ButtonProps & { to: string; search?: Filters; children: ReactNode }) {
  return (
    <Button size="xs" variant="default" {...looks} renderRoot={(props) => <To {...props} to={to} {...(search ? { search } : {})} />}>
      {children}
    </Button>
  );
}

/** Goes there. */
export function useGo(): (to: string, search?: Filters) => void {
  const navigate = useNavigate();
  return useCallback(
    (to, search = {}) => {
      navigate({ to: to as never, search: clean(search) as never });
    },
    [navigate],
  );
}
