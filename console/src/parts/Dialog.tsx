import { Modal } from '@mantine/core';
import type { ReactNode } from 'react';
import { useT } from '../i18n/index.tsx';

interface Props {
  title: ReactNode;
  opened: boolean;
  close: () => void;
  children: ReactNode;
}

/** The one dialog of the console: asks, and waits for an answer. */
export function Dialog({ title, opened, close, children }: Props) {
  const t = useT();
  return (
    <Modal opened={opened} onClose={close} title={title} centered closeButtonProps={{ 'aria-label': t.common.close }}>
      {children}
    </Modal>
  );
}
