// Dates and numbers, always through `Intl`.

import type { Language, Zone } from './index.tsx';

export interface Formats {
  /** `2026/11/21 10:00:00 JST` */
  moment: (time: string) => string;
  /** `11/21 10:00`, for axes. */
  shortMoment: (time: string) => string;
  /** `3 minutes ago` */
  relative: (time: string, now?: number) => string;
  number: (value: number) => string;
  /** `12.3 ms` or `1.2 s` */
  millis: (value: number) => string;
  bytes: (value: number) => string;
  /** `+12 %`; nothing where there is nothing to compare with. */
  change: (now: number, before: number) => string | null;
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];

export function makeFormats(language: Language, zone: Zone): Formats {
  const locale = language === 'ja' ? 'ja-JP' : 'en-GB';
  const timeZone = zone === 'local' ? Intl.DateTimeFormat().resolvedOptions().timeZone : zone;
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  const number = new Intl.NumberFormat(locale);
  const precise = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
  const percent = new Intl.NumberFormat(locale, {
    style: 'percent',
    maximumFractionDigits: 0,
    signDisplay: 'exceptZero',
  });

  const partsOf = (time: string) => {
    const found = parts.formatToParts(new Date(time)).map((part) => [part.type, part.value] as const);
    return Object.fromEntries(found) as Record<Intl.DateTimeFormatPartTypes, string>;
  };
  // Every zone has a short name in some language only; this one is known by its own everywhere.
  const zoneName = (given: string) => (timeZone === 'Asia/Tokyo' ? 'JST' : given);

  return {
    moment: (time) => {
      const p = partsOf(time);
      return `${p.year}/${p.month}/${p.day} ${p.hour}:${p.minute}:${p.second} ${zoneName(p.timeZoneName)}`;
    },
    shortMoment: (time) => {
      const p = partsOf(time);
      return `${p.month}/${p.day} ${p.hour}:${p.minute}`;
    },
    relative: (time, now = Date.now()) => {
      const seconds = (Date.parse(time) - now) / 1000;
      const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ['second', 1];
      return relative.format(Math.trunc(seconds / size), unit);
    },
    number: (value) => number.format(value),
    millis: (value) =>
      value < 1000 ? `${precise.format(value)} ms` : `${precise.format(value / 1000)} s`,
    bytes: (value) =>
      value < 1024 ? `${number.format(value)} B` : `${precise.format(value / 1024)} KiB`,
    change: (now, before) => (before === 0 ? null : percent.format((now - before) / before)),
  };
}
