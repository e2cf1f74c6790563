// What is found in content: the test bench, the rules, and what conversations have read.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { inspection } from '../src/i18n/inspection.ts';
import { providers } from '../src/i18n/providers.ts';
import { assertAccessible, assertFits, Browsers, type Language, look, picture, TEXTS } from './browser.ts';
import { Gate } from './gate.ts';

const LANGUAGES: Language[] = ['ja', 'en'];
const MAIL = 'tanaka.saburo@example.co.jp';

let gate: Gate;
let browsers: Browsers;

before(async () => {
  gate = await Gate.start();
  browsers = await Browsers.start(gate);
  // What it answers is personal data: the conversation has read some then.
  await gate.call('crm__test_echo', { message: `連絡先: ${MAIL}、電話 03-1234-5678` });
});

after(async () => {
  await browsers?.stop();
  await gate?.stop();
});

describe('inspection', () => {
  for (const language of LANGUAGES) {
    for (const tab of ['rules', 'false-alarms', 'conversations']) {
      test(`${tab} in ${language} are readable for everybody and fit`, async () => {
        await look(browsers, 'yamada', `/inspection?tab=${tab}`, language, `inspection-${tab}`);
      });
    }

    test(`a text is tried (${language})`, async () => {
      const s = inspection[language];
      const { page, complaints, close } = await browsers.seat('yamada', '/inspection', language);
      const button = page.getByRole('button', { name: s.look, exact: true });
      assert.equal(await button.getAttribute('aria-disabled'), 'true');
      await page.getByRole('textbox', { name: s.text }).fill(`😀 担当: ${MAIL} マイナンバー 1234 5678 9018`);
      await button.click();
      const found = page.getByRole('table', { name: s.findings });
      await found.getByText(s.types.EMAIL ?? '').waitFor();
      await found.getByText(s.types.MY_NUMBER ?? '').first().waitFor();
      await page.locator('mark', { hasText: MAIL }).waitFor();
      await page.getByRole('table', { name: s.would }).getByText('my-number-outside').waitFor();
      await page.getByRole('table', { name: s.would }).getByText(s.actions.block ?? '').first().waitFor();
      await assertAccessible(page, 'bench');
      await assertFits(page, 'bench');
      await picture(page, `bench-${language}`);
      await page.emulateMedia({ colorScheme: 'dark' });
      await assertAccessible(page, 'bench, dark');
      assert.deepEqual(complaints, []);
      await close();
    });
  }

  test('rules are edited, checked and put in force', async () => {
    const s = inspection.ja;
    const { page, close } = await browsers.seat('yamada', '/inspection?tab=rules', 'ja');
    await page.getByRole('button', { name: s.editActive }).click();
    const text = page.getByLabel(s.editor);
    const before = await text.inputValue();
    await text.fill(`${before}\n[[rule]\nid =`);
    await page.getByRole('button', { name: s.save, exact: true }).click();
    const flaw = page.getByRole('alert').getByRole('listitem');
    await flaw.first().waitFor();
    await assertAccessible(page, 'rules with flaws');
    await picture(page, 'rules-wrong-ja');
    const rule = '[[rule]]\nid = "no-mail-addresses"\nfind = { types = ["EMAIL"] }\naction = "mask"\nmessage = "メールアドレスは表示しません。"\n';
    await text.fill(`${before}\n${rule}`);
    await page.getByRole('button', { name: s.saveActivate }).click();
    await page.getByText(s.savedActive('1')).waitFor();
    const drawer = page.getByRole('dialog', { name: s.version('1') });
    await drawer.getByText(s.active, { exact: true }).waitFor();
    await assertAccessible(page, 'rules');
    await picture(page, 'rules-ja');
    await close();
    const bench = await browsers.seat('yamada', '/inspection', 'ja');
    await bench.page.getByRole('textbox', { name: s.text }).fill(MAIL);
    await bench.page.getByRole('button', { name: s.look, exact: true }).click();
    await bench.page.getByRole('table', { name: s.would }).getByText('no-mail-addresses').waitFor();
    await bench.close();
  });

  test('what a conversation has read is forgotten after somebody looked', async () => {
    const s = inspection.ja;
    const { page, close } = await browsers.seat('yamada', '/inspection?tab=conversations', 'ja');
    await page.getByRole('button', { name: 'service:nightly' }).click();
    const drawer = page.getByRole('dialog');
    await drawer.getByText(s.labelNames['personal-data'] ?? '').first().waitFor();
    await assertAccessible(page, 'conversation');
    await picture(page, 'conversation-ja');
    await drawer.getByRole('button', { name: s.declassify }).click();
    await page.getByRole('dialog', { name: s.declassifyTitle }).getByRole('button', { name: s.declassify }).click();
    await page.getByText(s.declassified).waitFor();
    await page.getByText(s.noConversations).waitFor();
    await close();
  });

  test('an auditor looks and cannot change', async () => {
    const s = inspection.en;
    const { page, close } = await browsers.seat('sato', '/inspection?tab=rules', 'en');
    const button = page.getByRole('button', { name: s.editActive });
    await button.waitFor();
    assert.equal(await button.getAttribute('aria-description'), TEXTS.en.rights.needsAdmin);
    await close();
  });
});

describe('identity providers', () => {
  test('one is added, tells what to register there, and is removed by typing', async () => {
    const s = providers.ja;
    const { page, close } = await browsers.seat('yamada', '/settings?tab=providers', 'ja');
    await page.getByRole('button', { name: s.add, exact: true }).click();
    const dialog = page.getByRole('dialog', { name: s.addTitle });
    await dialog.getByRole('textbox', { name: s.name, exact: true }).fill('partner');
    await dialog.getByLabel(s.issuer).fill('https://idp.partner.example');
    await dialog.getByLabel(s.clientId).fill('gate');
    await dialog.getByLabel(s.secretEnv).fill('SEKIMORI_SECRET_PARTNER');
    await dialog.getByRole('button', { name: s.save }).click();
    await page.getByText(s.saved('partner')).waitFor();
    const drawer = page.getByRole('dialog');
    await drawer.getByText(`${gate.url}/sign-in/oidc/partner/callback`).waitFor();
    await assertAccessible(page, 'identity provider');
    await picture(page, 'provider-added-ja');
    await drawer.getByRole('button', { name: s.remove }).click();
    const ask = page.getByRole('dialog', { name: s.removeTitle('partner') });
    await ask.getByLabel(TEXTS.ja.common.typeToConfirm('partner')).fill('partner');
    await ask.getByRole('button', { name: s.remove }).click();
    await page.getByText(s.removed('partner')).waitFor();
    await close();
  });

  test('one of the configuration file is changed there', async () => {
    const s = providers.en;
    const { page, close } = await browsers.seat('yamada', '/settings?tab=providers&open=demo', 'en');
    const button = page.getByRole('dialog').getByRole('button', { name: s.remove });
    assert.equal(await button.getAttribute('aria-description'), s.fixed);
    await close();
  });
});
