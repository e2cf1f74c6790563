import { type UIEvent, useId, useImperativeHandle, useRef } from 'react';
import { offsetOf } from './flaws.ts';

const ROWS_MIN = 8;
const ROWS_MAX = 30;

export interface EditorHandle {
  /** Puts the cursor there. */
  show: (line: number, column: number) => void;
}

interface Props {
  label: string;
  value: string;
  change: (value: string) => void;
  /** Lines that something is wrong with. */
  wrong?: number[];
  handle?: React.Ref<EditorHandle>;
}

/** A text of a language, with its lines numbered. */
export function Editor({ label, value, change, wrong = [], handle }: Props) {
  const id = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const numbers = useRef<HTMLSpanElement>(null);
  useImperativeHandle(handle, () => ({
    show: (line, column) => {
      const field = area.current;
      if (!field) return;
      const at = offsetOf(field.value, line, column);
      field.focus();
      field.setSelectionRange(at, at);
      const lines = field.value.split('\n').length;
      field.scrollTop = (field.scrollHeight / lines) * Math.max(0, line - 4);
    },
  }));
  const follow = (event: UIEvent<HTMLTextAreaElement>) => {
    numbers.current?.style.setProperty('transform', `translateY(${-event.currentTarget.scrollTop}px)`);
  };
  const lines = value.split('\n').length;
  return (
    <div className="editor-field">
      <label htmlFor={id}>{label}</label>
      <div className="editor">
        <div className="editor-gutter" aria-hidden>
          <span ref={numbers}>
            {Array.from({ length: lines }, (_, index) => (
              <span key={index} data-wrong={wrong.includes(index + 1) || undefined}>
                {index + 1}
              </span>
            ))}
          </span>
        </div>
        <textarea
          id={id}
          ref={area}
          value={value}
          rows={Math.min(ROWS_MAX, Math.max(ROWS_MIN, lines + 1))}
          wrap="off"
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          aria-invalid={wrong.length > 0 || undefined}
          onScroll={follow}
          onChange={(event) => change(event.currentTarget.value)}
        />
      </div>
    </div>
  );
}
