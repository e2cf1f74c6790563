import { Code } from '@mantine/core';
import { useTexts } from '../i18n/index.tsx';
import { refusals } from '../i18n/refusals.ts';

/** The code of a refusal, and what it means. */
export function RefusalCode({ code }: { code: string }) {
  const meaning = useTexts(refusals)[code];
  return (
    <span className="marks">
      {meaning} <Code>{code}</Code>
    </span>
  );
}
