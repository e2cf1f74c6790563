import { Center, Loader } from '@mantine/core';
import { useT } from '../i18n/index.tsx';

export function Waiting() {
  const t = useT();
  return (
    <Center p="xl" role="status" aria-label={t.common.loading}>
      <Loader type="dots" />
    </Center>
  );
}
