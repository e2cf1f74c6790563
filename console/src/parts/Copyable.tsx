import { ActionIcon, Code, CopyButton } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useT } from '../i18n/index.tsx';

/** A text that one takes elsewhere. */
export function Copyable({ text, block = false }: { text: string; block?: boolean }) {
  const t = useT();
  return (
    <span className={block ? 'copyable copyable-block' : 'copyable'}>
      <Code block={block}>{text}</Code>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <ActionIcon size="sm" variant="subtle" onClick={copy} aria-label={copied ? t.common.copied : `${t.common.copy}: ${text}`}>
            {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
          </ActionIcon>
        )}
      </CopyButton>
    </span>
  );
}
