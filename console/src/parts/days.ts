// Days of a calendar, in the zone that the reader chose.

import type { Zone } from '../i18n/index.tsx';

const OFFSETS: Record<Zone, string> = { 'Asia/Tokyo': '+09:00', UTC: 'Z', local: '' };

/** When a day such as `2026-11-21` begins, or the one so many days later. */
export function dayBegins(day: string, zone: Zone, later = 0): string {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  const shifted = new Date(Date.UTC(year, month - 1, date + later)).toISOString().slice(0, 10);
  return new Date(`${shifted}T00:00:00${OFFSETS[zone]}`).toISOString();
}

/** Today there. */
export function today(zone: Zone): string {
  const timeZone = zone === 'local' ? undefined : zone;
  return new Intl.DateTimeFormat('en-CA', { ...(timeZone ? { timeZone } : {}) }).format(new Date());
}
