// Keys that work everywhere: `g` and a letter goes to a place, `j` and `k` walk through a list, `?` and Ctrl K open
// the palette.

import { useEffect, useState } from 'react';
import { useGo } from '../parts/links.tsx';
import { PLACES } from './places.ts';

const CHORD_MS = 1_000;

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]') !== null;
}

function walk(step: 1 | -1) {
  const rows = [...document.querySelectorAll<HTMLElement>('.row-open')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1);
  rows[next]?.focus();
}

const PALETTE = 'sekimori:palette';

export function openPalette(): void {
  document.dispatchEvent(new Event(PALETTE));
}

/** How often the palette was asked for: it is loaded with the first time. */
export function usePaletteWanted(): number {
  const [wanted, setWanted] = useState(0);
  useEffect(() => {
    const count = () => setWanted((before) => before + 1);
    document.addEventListener(PALETTE, count);
    return () => document.removeEventListener(PALETTE, count);
  }, []);
  return wanted;
}

export function useKeys(): void {
  const go = useGo();
  useEffect(() => {
    let chord = 0;
    const pressed = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        openPalette();
      }
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      const place = PLACES.find((one) => one.key === event.key);
      if (Date.now() - chord < CHORD_MS && place) {
        chord = 0;
        go(place.path);
      } else if (event.key === 'g') chord = Date.now();
      else if (event.key === 'j') walk(1);
      else if (event.key === 'k') walk(-1);
      else if (event.key === '?') openPalette();
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, [go]);
}
