import { Title } from '@mantine/core';
import type { ReactNode } from 'react';

/** A part of a drawer or page under a heading. */
export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section aria-label={title} className="section">
      <Title order={3} size="h5">
        {title}
      </Title>
      {children}
    </section>
  );
}
