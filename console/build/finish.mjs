// After `vite build`: removes what earlier builds left, weighs the first load, and compresses once for all.

import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const DIST = new URL('../dist/', import.meta.url).pathname;
const FIRST_LOAD_MAX = 200_000;
const COMPRESSIBLE = /\.(js|css|svg)$/;
// Smaller files are sent as they are.
const WORTH_COMPRESSING = 1_000;

const manifest = JSON.parse(readFileSync(join(DIST, '.vite/manifest.json'), 'utf8'));
const made = new Set(Object.values(manifest).flatMap((chunk) => [chunk.file, ...(chunk.css ?? [])]));

for (const name of readdirSync(join(DIST, 'assets'))) {
  if (!made.has(`assets/${name}`)) rmSync(join(DIST, 'assets', name));
}

/** The scripts that the page cannot do without. */
function firstLoad(entry, seen = new Set()) {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  for (const next of manifest[entry].imports ?? []) firstLoad(next, seen);
  return seen;
}

const gzip = (file) => gzipSync(readFileSync(join(DIST, file)), { level: 9 });
// One language is loaded with the first page; the larger one counts.
const languages = ['src/i18n/ja.ts', 'src/i18n/en.ts'].map((name) => gzip(manifest[name].file).length);
const scripts = [...firstLoad('index.html')].map((name) => manifest[name].file);
const weight = scripts.reduce((sum, file) => sum + gzip(file).length, Math.max(...languages));
console.log(`first load: ${(weight / 1000).toFixed(1)} kB of scripts, gzipped (at most ${FIRST_LOAD_MAX / 1000})`);
if (weight > FIRST_LOAD_MAX) {
  console.error('The first load is too heavy: load what not every page needs with its own route.');
  process.exit(1);
}

for (const file of [...made, 'icon.svg']) {
  const path = join(DIST, file);
  if (!COMPRESSIBLE.test(file) || statSync(path).size < WORTH_COMPRESSING) continue;
  const text = readFileSync(path);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: text.length };
  writeFileSync(`${path}.br`, brotliCompressSync(text, { params }));
  writeFileSync(`${path}.gz`, gzip(file));
}
