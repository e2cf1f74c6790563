// What is found in content: the test bench, the rules, and what conversations have read.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { inspection } from '../src/i18n/inspection.ts';
import { providers } from '../src/i18n/providers.ts';
import { assertAccessible, assertFits, Browsers, eventually, type Language, look, picture, TEXTS } from './browser.ts';
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
    await page.getByRole('button', { name: 'nightly' }).click();
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

  // GOV-1, DATA-2: whoever is stopped reads the company's words and where to say that it was a false alarm; what was
  // accepted passes then, what was refused does not.
  for (const language of LANGUAGES) {
    test(`a false alarm is reported, decided, and its exception put in force (${language})`, async () => {
      const s = inspection[language];
      const rule = '[settings]\nnotice = "困ったら情報システム部へ"\n[[rule]]\nid = "no-phones"\nfind = { types = ["PHONE"] }\nwhen = { direction = "input" }\naction = "block"\nmessage = "電話番号は送れません。"\n';
      gate.sekimori('inspect', 'rules', 'save', gate.file(`phones-${language}.toml`, rule), '--activate');
      const token = await browsers.token('suzuki');
      const message = '棚 03-1234-5678 の在庫は？';
      const ask = () => gate.call('crm__test_echo', { message }, token);
      const report = async (note: string) => {
        const told = await eventually(ask, (one) => one.includes('/ui/false-alarm?request='));
        for (const words of ['電話番号は送れません。', '困ったら情報システム部へ']) assert.match(told, new RegExp(words));
        const request = /\/ui\/false-alarm\?request=([\w.:-]+)/.exec(told)?.[1];
        const { page, complaints, close } = await browsers.seat('suzuki', `/false-alarm?request=${request}`, language);
        const send = page.getByRole('button', { name: s.ownSend, exact: true });
        assert.equal(await send.isDisabled(), true);
        await page.getByRole('textbox', { name: s.note }).fill(note);
        // Records are found a moment after the call.
        const sent = page.getByText(s.ownSent);
        const asked = async () => {
          await send.click();
          await sent.or(page.getByRole('alert')).first().waitFor();
          return sent.isVisible();
        };
        await eventually(asked, (done) => done);
        const mine = page.getByRole('table', { name: s.own });
        await mine.getByText(note).first().waitFor();
        await assertAccessible(page, 'my false alarms');
        await assertFits(page, 'my false alarms');
        await picture(page, `false-alarm-${language}`);
        assert.deepEqual(complaints, []);
        await close();
      };
      const decide = async (note: string, how: string, told: string) => {
        const { page, close } = await browsers.seat('yamada', '/inspection?tab=false-alarms', language);
        await page.getByRole('row').filter({ hasText: note }).getByRole('button').first().click();
        const drawer = page.getByRole('dialog');
        await drawer.getByLabel(s.reason).fill('checked');
        await assertAccessible(page, 'false alarm');
        await drawer.getByRole('button', { name: how, exact: true }).click();
        await page.getByText(told).first().waitFor();
        await close();
      };
      await report(`一 ${language}`);
      await decide(`一 ${language}`, s.reject, s.rejected);
      assert.match(await ask(), /電話番号は送れません。/);

      await report(`二 ${language}`);
      const saved = JSON.parse(gate.sekimori('inspect', 'rules', 'list', '--json')) as { version: number }[];
      const draft = String(Math.max(...saved.map(({ version }) => version)) + 1);
      await decide(`二 ${language}`, s.accept, s.accepted(draft));
      assert.match(await ask(), /電話番号は送れません。/, 'a draft is not in force');
      gate.sekimori('inspect', 'rules', 'activate', draft);
      const passed = await eventually(ask, (one) => !one.includes('no-phones'));
      assert.match(passed, /03-1234-5678/);
    });
  }

  test('the overview counts calls with findings and leads to their records', async () => {
    const t = TEXTS.ja;
    const { page, close } = await browsers.seat('sato', '/', 'ja');
    await page.getByRole('link', { name: new RegExp(`^${t.overview.findings} ?[1-9]`) }).click();
    await page.waitForURL(/text=finding/);
    await page.getByRole('table', { name: t.places.audit }).getByRole('row').filter({ hasText: 'crm/test_echo' }).first().waitFor();
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
