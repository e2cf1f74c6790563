import { Text } from '@mantine/core';
import { editor as texts } from '../i18n/editor.ts';
import { useTexts } from '../i18n/index.tsx';
import type { EditorHandle } from './Editor.tsx';
import type { Flaw } from './flaws.ts';

/** What is wrong with a text, each leading to its place. */
export function FlawList({ flaws, editor }: { flaws: Flaw[]; editor: React.RefObject<EditorHandle | null> }) {
  const s = useTexts(texts);
  if (flaws.length === 0) return null;
  return (
    <section aria-label={s.flaws} role="alert">
      <Text size="sm" fw={700}>
        {s.flaws}
      </Text>
      <ul className="flaws">
        {flaws.map(({ member, line, column, detail }, place) => (
          <li key={`${place}${detail}`}>
            {line !== undefined && column !== undefined ? (
              <button type="button" onClick={() => editor.current?.show(line, column)}>
                {s.line(String(line), String(column))}
              </button>
            ) : (
              <strong>{member === 'tests' ? s.inTests : s.anywhere}</strong>
            )}
            : {detail}
          </li>
        ))}
      </ul>
    </section>
  );
}
