// Texts and formats in the reader's language. `en` is the catalogue, `ja` has the same shape: a missing or
// surplus text does not compile. Each language is a file of its own, loaded when it is chosen.

import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import type { Bilingual } from './bilingual.ts';
import { makeFormats, type Formats } from './formats.ts';
import type { Messages } from './en.ts';

export type Language = 'ja' | 'en';
export const ZONES = ['Asia/Tokyo', 'UTC', 'local'] as const;
export type Zone = (typeof ZONES)[number];

const LANGUAGE_KEY = 'sekimori.language';
const ZONE_KEY = 'sekimori.zone';

interface Wording {
  language: Language;
  setLanguage: (language: Language) => void;
  zone: Zone;
  setZone: (zone: Zone) => void;
  t: Messages;
  format: Formats;
}

const WordingContext = createContext<Wording | null>(null);

export function useWording(): Wording {
  const wording = useContext(WordingContext);
  if (!wording) throw new Error('there is no WordingProvider above');
  return wording;
}

export const useT = (): Messages => useWording().t;
export const useFormat = (): Formats => useWording().format;

/** The texts of one screen in the reader's language. */
export const useTexts = <T,>(texts: Bilingual<T>): T => texts[useWording().language];

function preferredLanguage(): Language {
  const kept = localStorage.getItem(LANGUAGE_KEY);
  if (kept === 'ja' || kept === 'en') return kept;
  return navigator.languages.find((one) => /^(ja|en)\b/.test(one))?.startsWith('en') ? 'en' : 'ja';
}

function preferredZone(): Zone {
  const kept = localStorage.getItem(ZONE_KEY);
  return ZONES.find((zone) => zone === kept) ?? 'Asia/Tokyo';
}

async function load(language: Language): Promise<Messages> {
  return language === 'ja' ? (await import('./ja.ts')).ja : (await import('./en.ts')).en;
}

export function WordingProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(preferredLanguage);
  const [zone, setZone] = useState(preferredZone);
  const [loaded, setLoaded] = useState<{ language: Language; t: Messages }>();

  useEffect(() => {
    let wanted = true;
    load(language).then((t) => wanted && setLoaded({ language, t }));
    document.documentElement.lang = language;
    return () => {
      wanted = false;
    };
  }, [language]);

  const wording = useMemo(() => {
    if (!loaded) return null;
    return {
      language: loaded.language,
      setLanguage: (next: Language) => {
        localStorage.setItem(LANGUAGE_KEY, next);
        setLanguage(next);
      },
      zone,
      setZone: (next: Zone) => {
        localStorage.setItem(ZONE_KEY, next);
        setZone(next);
      },
      t: loaded.t,
      format: makeFormats(loaded.language, zone),
    };
  }, [loaded, zone]);

  return wording ? <WordingContext value={wording}>{children}</WordingContext> : null;
}

/** Several names in a row, as the page's language writes them. */
export const listed = (names: readonly (string | number)[]): string =>
  names.join(document.documentElement.lang === 'en' ? ', ' : '、');
