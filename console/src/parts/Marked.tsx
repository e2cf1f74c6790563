import { useTexts } from '../i18n/index.tsx';
import { inspection } from '../i18n/inspection.ts';

interface Found {
  type: string;
  /** In code points. */
  start: number;
  end: number;
}

/** A text with what was found set off. Findings that lie within others are left out. */
export function Marked({ text, findings }: { text: string; findings: Found[] }) {
  const s = useTexts(inspection);
  const points = [...text];
  const parts: React.ReactNode[] = [];
  let end = 0;
  for (const one of findings.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    if (one.start < end) continue;
    parts.push(points.slice(end, one.start).join(''));
    parts.push(
      <mark key={one.start} title={s.types[one.type] ?? one.type}>
        {points.slice(one.start, one.end).join('')}
      </mark>,
    );
    end = one.end;
  }
  parts.push(points.slice(end).join(''));
  return <>{parts}</>;
}
