import { Group, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

/** What this page is for, and what can be done on it. */
export function PageHead({ title, lead, children }: { title: string; lead: string; children?: ReactNode }) {
  return (
    <Group justify="space-between" align="end" gap="sm" className="page-head">
      <div>
        <Title order={1} size="h2">
          {title}
        </Title>
        <Text size="sm" className="lead">
          {lead}
        </Text>
      </div>
      {children && <Group gap="xs">{children}</Group>}
    </Group>
  );
}
