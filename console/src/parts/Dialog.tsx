import { Modal } from '@mantine/core';
import type { ReactNode } from 'react';
import { useT } from '../i18n/index.tsx';

interface Props {
  title: ReactNode;
  opened: boolean;
  close: () => void;
  /** For forms with much in them. */
  wide?: boolean;
  children: ReactNode;
}

/** The one dialog of the console: asks, and waits for an answer. */
export function Dialog({ title, opened, close, wide = false, children }: Props) {
  const t = useT();
  return (
    <Modal opened={opened} onClose={close} title={title} size={wide ? 'xl' : 'md'} centered closeButtonProps={{ 'aria-label': t.common.close }}>
      {children}
    </Modal>
  );
}
