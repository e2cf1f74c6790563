// What auditors make of a search: its breakdown, and a file of all that it finds.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { records } from '../src/i18n/records.ts';
import { assertAccessible, assertFits, Browsers, eventually, type Language, look, picture, TEXTS } from './browser.ts';
import { Gate } from './gate.ts';

const LANGUAGES: Language[] = ['ja', 'en'];
const CALLS = 7;

let gate: Gate;
let browsers: Browsers;

before(async () => {
  gate = await Gate.start();
  browsers = await Browsers.start(gate);
  for (let number = 0; number < CALLS; number++) await gate.call('crm__test_echo', { message: `call ${number}` });
  await gate.call('crm__test_simple_text', {});
  const { page, close } = await browsers.seat('sato', '/audit', 'en');
  const found = async () => (await page.request.get('/api/v1/audit-exports?event=tool.call')).json() as Promise<{ records: number }>;
  await eventually(found, (one) => one.records === CALLS + 1);
  await close();
});

after(async () => {
  await browsers?.stop();
  await gate?.stop();
});

describe('a breakdown', () => {
  for (const language of LANGUAGES) {
    test(`is readable for everybody and fits (${language})`, async () => {
      await look(browsers, 'sato', '/audit?event=tool.call&breakdown=yes', language, 'breakdown');
    });

    test(`leads to a part of the records, by value and by time (${language})`, async () => {
      const t = TEXTS[language];
      const s = records[language];
      const { page, complaints, close } = await browsers.seat('sato', '/audit?event=tool.call', language);
      await page.getByLabel(s.breakdown).check();
      const breakdown = page.getByRole('region', { name: s.breakdown });
      await breakdown.getByText(s.counted(String(CALLS + 1), false)).waitFor();
      await breakdown.getByRole('button', { name: t.outcomes.refused ?? '' }).click();
      await page.waitForURL(/outcome=refused/);
      await breakdown.getByText(s.counted('1', false)).waitFor();
      const rows = page.getByRole('table', { name: t.places.audit }).getByRole('row');
      await rows.filter({ hasText: 'crm/test_echo' }).first().waitFor({ state: 'detached' });
      await rows.filter({ hasText: 'crm/test_simple_text' }).first().waitFor();
      await breakdown.getByRole('group', { name: s.timeLine }).getByRole('button').first().click();
      await page.waitForURL(/period=custom/);
      await rows.filter({ hasText: 'crm/test_simple_text' }).first().waitFor();
      await page.goBack();
      await page.goBack();
      await page.waitForURL((url) => !url.search.includes('outcome'));
      await breakdown.getByText(s.counted(String(CALLS + 1), false)).waitFor();
      assert.deepEqual(complaints, []);
      await close();
    });
  }
});

describe('an export', () => {
  for (const language of LANGUAGES) {
    test(`goes on where it was interrupted, while one works elsewhere, and is one file (${language})`, async () => {
      const t = TEXTS[language];
      const s = records[language];
      const { page, complaints, close } = await browsers.seat('sato', '/audit?event=tool.call', language);
      let asked = 0;
      // Smaller parts than usual, and a network that fails once.
      await page.route('**/api/v1/audit-exports/*/parts?*', (route) => {
        asked += 1;
        return asked === 3 ? route.abort() : route.continue({ url: `${route.request().url()}&limit=2` });
      });
      await page.getByRole('button', { name: s.export }).click();
      const dialog = page.getByRole('dialog', { name: s.title });
      await assertAccessible(page, 'a new export');
      await dialog.getByRole('button', { name: s.start }).click();
      await dialog.getByText(s.failed).waitFor();
      await dialog.getByRole('alert').getByText(t.problems.offline).waitFor();
      await dialog.getByText(s.written('4', String(CALLS + 1))).waitFor();
      assert.equal(await dialog.getByRole('progressbar', { name: s.progress }).getAttribute('aria-valuenow'), '50');
      await assertAccessible(page, 'an export that was interrupted');
      await assertFits(page, 'an export that was interrupted');
      await picture(page, `export-interrupted-${language}`);
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'detached' });
      await page.getByRole('link', { name: t.places.overview }).first().click();
      await page.getByRole('heading', { level: 1, name: t.places.overview }).waitFor();
      await page.goBack();
      await page.getByRole('button', { name: s.interrupted }).click();
      await dialog.getByRole('button', { name: s.goOn }).click();
      await dialog.getByText(s.done(String(CALLS + 1))).waitFor();
      await picture(page, `export-done-${language}`);
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        dialog.getByRole('link', { name: s.save }).click(),
      ]);
      assert.equal(download.suggestedFilename(), `audit-records.${language}.csv`);
      const text = readFileSync(await download.path(), 'utf8');
      assert(text.startsWith('\ufeff'));
      assert.equal(text.trimEnd().split('\r\n').length, CALLS + 2, text);
      assert.equal(new Set(text.split('\r\n')).size, CALLS + 3, 'no record comes twice');
      await dialog.getByRole('button', { name: s.discard }).click();
      await dialog.getByRole('button', { name: s.start }).waitFor();
      assert.deepEqual(complaints, []);
      await close();
    });
  }

  test('is paused and goes on, and who may not look at the log gets none', async () => {
    const s = records.ja;
    const { page, close } = await browsers.seat('sato', '/audit?event=tool.call', 'ja');
    let go = () => {};
    const waits = new Promise<void>((resolve) => {
      go = resolve;
    });
    await page.route('**/api/v1/audit-exports/*/parts?*', async (route) => {
      await waits;
      await route.continue().catch(() => {});
    });
    await page.getByRole('button', { name: s.export }).click();
    const dialog = page.getByRole('dialog', { name: s.title });
    await dialog.getByLabel(s.form).selectOption('jsonl');
    await dialog.getByRole('button', { name: s.start }).click();
    await dialog.getByText(s.stay).waitFor();
    await dialog.getByRole('button', { name: s.pause }).click();
    await dialog.getByText(s.paused).waitFor();
    go();
    await dialog.getByRole('button', { name: s.goOn }).click();
    await dialog.getByText(s.done(String(CALLS + 1))).waitFor();
    await close();
    const other = await browsers.seat('suzuki', '/', 'ja');
    for (const path of ['', '/records.jsonl', '/records.jsonl/parts']) {
      assert.equal((await other.page.request.get(`/api/v1/audit-exports${path}`)).status(), 403);
    }
    await other.close();
  });
});
