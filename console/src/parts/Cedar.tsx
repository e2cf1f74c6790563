// Cedar as it is written, with what structures it set off.

/** Comments, texts, annotations, and the words of the language; the rest is as it is. */
const TOKEN =
  /(?<comment>\/\/[^\n]*)|(?<text>"(?:[^"\\]|\\.)*")|(?<note>@\w+)|\b(?<word>permit|forbid|when|unless|principal|action|resource|context|in|is|has|like|if|then|else|true|false)\b/g;

export function Cedar({ text }: { text: string }) {
  const parts: { kind: string; text: string; at: number }[] = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const kind = Object.entries(match.groups ?? {}).find(([, found]) => found !== undefined)?.[0] ?? 'plain';
    if (match.index > end) parts.push({ kind: 'plain', text: text.slice(end, match.index), at: end });
    parts.push({ kind, text: match[0], at: match.index });
    end = match.index + match[0].length;
  }
  parts.push({ kind: 'plain', text: text.slice(end), at: end });
  return (
    <pre className="code cedar" tabIndex={0}>
      {parts.map((part) => (
        <span key={part.at} data-kind={part.kind}>
          {part.text}
        </span>
      ))}
    </pre>
  );
}
