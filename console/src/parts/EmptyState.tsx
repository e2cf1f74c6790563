import { Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

/** Nothing is here: why, and what to do next. */
export function EmptyState({ title, next, action }: { title: string; next: ReactNode; action?: ReactNode }) {
  return (
    <Stack align="center" gap="xs" p="xl" ta="center">
      <Title order={3} size="h4">
        {title}
      </Title>
      <Text component="div" size="sm" maw="36rem">
        {next}
      </Text>
      {action}
    </Stack>
  );
}
