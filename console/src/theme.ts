import { createTheme, type MantineColorsTuple } from '@mantine/core';

// The blue of the sign-in pages, in ten steps.
const gate: MantineColorsTuple = [
  '#eaf1fb',
  '#d3e1f5',
  '#a6c3ea',
  '#8ab4f2',
  '#5a8fd6',
  '#3a73c0',
  '#2a61ac',
  '#1d4f91',
  '#174079',
  '#10213b',
];

export const theme = createTheme({
  colors: { gate },
  primaryColor: 'gate',
  primaryShade: { light: 7, dark: 6 },
  // Both scripts, without fetching a font.
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", "Hiragino Sans", "Noto Sans CJK JP", "Noto Sans JP", "Yu Gothic UI", Meiryo, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "Cascadia Mono", Menlo, Consolas, "Noto Sans Mono CJK JP", monospace',
  defaultRadius: 'sm',
  cursorType: 'pointer',
  autoContrast: true,
});
