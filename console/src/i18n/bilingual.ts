// Texts of one screen, loaded with it. What every screen needs is in the catalogue of the first load.

export interface Bilingual<T> {
  en: T;
  ja: T;
}

/** The same texts in both languages: a missing or surplus one does not compile. */
export function bilingual<T>(en: T, ja: NoInfer<T>): Bilingual<T> {
  return { en, ja };
}
