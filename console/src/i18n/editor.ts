// Texts of the editor.

import { bilingual } from './bilingual.ts';

export const editor = bilingual(
  {
    flaws: 'What is wrong',
    line: (line: string, column: string) => `Line ${line}, column ${column}`,
    anywhere: 'In the text',
    inTests: 'In the tests',
  },
  {
    flaws: '誤りの一覧',
    line: (line, column) => `${line} 行 ${column} 文字目`,
    anywhere: 'テキスト全体',
    inTests: 'テスト',
  },
);
