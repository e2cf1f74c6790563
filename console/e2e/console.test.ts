// What people do with the console, with the real gate behind it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assertAccessible, Browsers, type Language, look, picture, TEXTS } from './browser.ts';
import { Gate } from './gate.ts';

const LANGUAGES: Language[] = ['ja', 'en'];
const PLACES = {
  overview: '/',
  approvals: '/approvals',
  audit: '/audit',
  catalog: '/catalog',
  policies: '/policies',
  inspection: '/inspection',
  access: '/access',
  alerts: '/alerts',
  settings: '/settings',
  start: '/start',
} as const;
type Place = keyof typeof PLACES;

let gate: Gate;
let browsers: Browsers;

before(async () => {
  gate = await Gate.start();
  browsers = await Browsers.start(gate);
  await gate.call('crm__test_echo', { message: 'hello' });
  for (let number = 0; number < 3; number++) await gate.call('crm__test_simple_text', { number });
});

after(async () => {
  await browsers?.stop();
  await gate?.stop();
});

describe('every screen', () => {
  for (const language of LANGUAGES) {
    for (const place of Object.keys(PLACES) as Place[]) {
      test(`${place} in ${language} is readable for everybody and fits`, async () => {
        await look(browsers, 'yamada', PLACES[place], language, place);
      });
    }
  }
});

describe('audit', () => {
  for (const language of LANGUAGES) {
    test(`a refusal is found, explained, and followed to its story (${language})`, async () => {
      const t = TEXTS[language];
      const { page, close } = await browsers.seat('sato', '/audit', language);
      await page.getByLabel(t.audit.outcome, { exact: true }).selectOption('refused');
      await page.getByLabel(t.audit.event, { exact: true }).selectOption('tool.call');
      await page.waitForURL(/outcome=refused/);
      const rows = page.getByRole('table', { name: t.places.audit }).getByRole('row');
      await rows.filter({ hasText: 'crm/test_simple_text' }).first().click();
      const drawer = page.getByRole('dialog');
      await drawer.getByRole('list').getByText(t.stages.authorize ?? '', { exact: true }).waitFor();
      await drawer.getByText(t.audit.stopped).waitFor();
      await drawer.getByText('unclassified-is-admin').first().waitFor();
      const authorized = drawer.getByRole('listitem').filter({ hasText: t.stages.authorize ?? '' });
      assert.match(await authorized.first().innerText(), /[\d.]+ ms/, 'what the stage took');
      await assertAccessible(page, 'record');
      await picture(page, `record-${language}`);
      assert.match(page.url(), /open=/);
      await page.reload();
      await drawer.getByText(t.audit.stopped).waitFor();
      await drawer.getByRole('link', { name: t.audit.story }).click();
      await page.getByRole('heading', { level: 1, name: t.audit.storyTitle }).waitFor();
      await page.getByRole('button', { name: /crm\/test_simple_text/ }).waitFor();
      await picture(page, `story-${language}`);
      await page.goBack();
      await page.waitForURL(/open=/);
      await page.goBack();
      await page.waitForURL((url) => !url.search.includes('open='));
      assert.match(page.url(), /outcome=refused/);
      await close();
    });
  }

  test('a record leads to why the policies decided so', async () => {
    const t = TEXTS.ja;
    const { page, close } = await browsers.seat('sato', '/audit?outcome=refused&event=tool.call', 'ja');
    await page.getByRole('table').getByRole('row').filter({ hasText: 'crm/test_simple_text' }).first().click();
    await page.getByRole('dialog').getByRole('link', { name: t.audit.explain }).click();
    await page.getByText(t.decisions.deny ?? '').first().waitFor();
    await page.getByRole('region', { name: 'unclassified-is-admin' }).waitFor();
    await assertAccessible(page, 'explanation');
    await picture(page, 'explain-ja');
    await close();
  });
});

describe('catalogue', () => {
  for (const [language, tool] of [['ja', 'crm/test_image_content'], ['en', 'crm/greet']] as const) {
    test(`an administrator reviews a tool (${language})`, async () => {
      const t = TEXTS[language];
      const { page, close } = await browsers.seat('yamada', '/catalog?review_state=unclassified', language);
      await page.getByRole('button', { name: tool, exact: true }).click();
      const drawer = page.getByRole('dialog');
      await drawer.getByRole('radio', { name: t.classes.read ?? '' }).check();
      await assertAccessible(page, 'tool');
      await picture(page, `tool-${language}`);
      await drawer.getByRole('button', { name: t.catalog.saveReview }).click();
      await drawer.getByText(t.reviewStates.classified ?? '', { exact: true }).waitFor();
      await page.getByText(t.catalog.reviewSaved(tool)).waitFor();
      await close();
    });
  }
});

describe('rights', () => {
  test('somebody without a role sees why, and the API refuses', async () => {
    const t = TEXTS.ja;
    const { page, close } = await browsers.seat('suzuki', '/audit', 'ja');
    await page.getByRole('alert').getByText(t.problems.forbidden).waitFor();
    const status = await page.evaluate("fetch('/api/v1/audit-records').then((answer) => answer.status)");
    assert.equal(status, 403);
    await picture(page, 'forbidden-ja');
    await close();
  });

  test('an auditor looks and cannot change', async () => {
    const t = TEXTS.en;
    const { page, close } = await browsers.seat('sato', '/catalog?open=crm%2Ftest_echo', 'en');
    const button = page.getByRole('dialog').getByRole('button', { name: t.catalog.saveReview });
    await button.waitFor();
    assert.equal(await button.getAttribute('aria-disabled'), 'true');
    assert.equal(await button.getAttribute('aria-description'), t.rights.needsAdmin);
    const me = (await page.evaluate("fetch('/api/v1/me').then((answer) => answer.json())")) as { csrf_token: string };
    const status = await page.evaluate(
      `fetch('/api/v1/service-accounts/nightly/suspend', { method: 'POST', headers: { 'x-sekimori-csrf': ${JSON.stringify(me.csrf_token)} } }).then((answer) => answer.status)`,
    );
    assert.equal(status, 403);
    await close();
  });

  test('one factor is not enough to change something, and the button says so', async () => {
    const t = TEXTS.ja;
    const { page, close } = await browsers.seat('kato', '/access?tab=accounts&open=nightly', 'ja');
    const button = page.getByRole('dialog').getByRole('button', { name: t.access.suspend });
    await button.waitFor();
    assert.equal(await button.getAttribute('aria-description'), t.rights.needsMfa);
    await button.hover();
    await page.getByRole('tooltip').getByText(t.rights.needsMfa).waitFor();
    await picture(page, 'one-factor-ja');
    await close();
  });

  test('an administrator sees that something was called, not what was said', async () => {
    const { page, close } = await browsers.seat('yamada', '/settings', 'ja');
    const me = (await page.evaluate("fetch('/api/v1/me').then((answer) => answer.json())")) as {
      rights: { area: string }[];
    };
    assert(me.rights.some((right) => right.area === 'audit'));
    assert(!me.rights.some((right) => right.area === 'contents'));
    await close();
  });
});

describe('access', () => {
  for (const language of LANGUAGES) {
    test(`an account is suspended and resumed (${language})`, async () => {
      const t = TEXTS[language];
      const { page, close } = await browsers.seat('yamada', '/access?tab=accounts&open=nightly', language);
      await page.getByRole('button', { name: t.access.suspend, exact: true }).click();
      const ask = page.getByRole('dialog', { name: t.access.suspendTitle('nightly') });
      await ask.getByText(t.access.suspendText).waitFor();
      await assertAccessible(page, 'confirmation');
      await picture(page, `confirm-${language}`);
      await ask.getByRole('button', { name: t.access.suspend }).click();
      await page.getByText(t.access.suspended('nightly')).waitFor();
      await page.getByRole('button', { name: t.access.resume, exact: true }).click();
      await page
        .getByRole('dialog', { name: t.access.resumeTitle('nightly') })
        .getByRole('button', { name: t.access.resume })
        .click();
      await page.getByText(t.access.resumed('nightly')).waitFor();
      await close();
    });
  }

  test('what somebody else changed meanwhile is not changed over it', async () => {
    const t = TEXTS.ja;
    const first = await browsers.seat('yamada', '/', 'ja');
    // Without news of changes, as on a page that was left open where the network was away.
    await first.page.route('**/api/v1/events', (route) => route.abort());
    await first.page.goto(`${gate.url}/ui/access?tab=accounts&open=nightly`);
    const suspend = first.page.getByRole('button', { name: t.access.suspend, exact: true });
    await suspend.waitFor();
    const second = await browsers.seat('tanaka', '/access?tab=accounts&open=nightly', 'ja');
    await second.page.getByRole('button', { name: t.access.suspend, exact: true }).click();
    await second.page.getByRole('dialog', { name: t.access.suspendTitle('nightly') }).getByRole('button', { name: t.access.suspend }).click();
    await second.page.getByText(t.access.suspended('nightly')).waitFor();
    await suspend.click();
    const ask = first.page.getByRole('dialog', { name: t.access.suspendTitle('nightly') });
    await ask.getByRole('button', { name: t.access.suspend }).click();
    await ask.getByRole('alert').getByText(t.problemCodes.changed_meanwhile ?? '').waitFor();
    await first.close();
    await second.page.getByRole('button', { name: t.access.resume, exact: true }).click();
    await second.page.getByRole('dialog', { name: t.access.resumeTitle('nightly') }).getByRole('button', { name: t.access.resume }).click();
    await second.page.getByText(t.access.resumed('nightly')).waitFor();
    await second.close();
  });

  test('a person who is kept out is out at once, in an open console too', async () => {
    const t = TEXTS.ja;
    const victim = await browsers.seat('suzuki', '/settings', 'ja');
    const { page, close } = await browsers.seat('yamada', '/access', 'ja');
    await page.getByRole('button', { name: '鈴木 一郎' }).click();
    await page.getByRole('dialog').getByRole('button', { name: t.access.deactivate }).click();
    await page
      .getByRole('dialog', { name: t.access.deactivateTitle('鈴木 一郎') })
      .getByRole('button', { name: t.access.deactivate })
      .click();
    await page.getByText(t.access.deactivated('鈴木 一郎')).waitFor();
    await picture(page, 'person-ja');
    await victim.page.reload();
    await victim.page.waitForURL('**/sign-in**');
    browsers.forget('suzuki');
    await victim.close();
    await close();
  });
});

describe('settings', () => {
  test('a SCIM token awaits an auditor, is shown to them once, and revoked by typing', async () => {
    const t = TEXTS.en;
    const { page, close } = await browsers.seat('yamada', '/settings?tab=scim', 'en');
    await page.getByRole('button', { name: t.settings.newToken }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(t.settings.provider).fill('entra');
    await dialog.getByRole('button', { name: t.settings.create }).click();
    await dialog.getByText(t.settings.tokenAwaits).waitFor();
    await dialog.getByRole('button', { name: t.common.close }).last().click();
    await page.getByRole('row').filter({ hasText: t.access.keyStates.awaiting! }).waitFor();

    const auditor = await browsers.seat('sato', '/settings?tab=scim', 'en');
    const row = auditor.page.getByRole('row').filter({ hasText: 'entra' });
    await row.getByRole('button', { name: t.settings.confirm }).click();
    const asked = auditor.page.getByRole('dialog');
    await asked.getByRole('button', { name: t.settings.confirm }).click();
    await asked.getByText(t.settings.tokenOnce).waitFor();
    await auditor.close();

    await page.reload();
    await page.getByRole('row').filter({ hasText: t.settings.works }).waitFor();
    await page.getByRole('row').filter({ hasText: 'entra' }).getByRole('button', { name: t.settings.revoke }).click();
    const confirm = page.getByRole('dialog').getByRole('button', { name: t.settings.revoke });
    assert(await confirm.isDisabled());
    await page.getByLabel(t.common.typeToConfirm('entra')).fill('entra');
    await confirm.click();
    await page.getByText(t.settings.tokenRevoked).waitFor();
    await close();
  });
});

describe('the frame', () => {
  test('everything is reached by keyboard', async () => {
    const t = TEXTS.ja;
    const { page, close } = await browsers.seat('sato', '/', 'ja');
    await page.getByRole('heading', { level: 1, name: t.places.overview }).waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('a');
    await page.waitForURL('**/ui/audit');
    await page.getByRole('row').nth(2).waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByText(t.audit.correlation).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.keyboard.press('Control+k');
    await page.getByRole('textbox', { name: t.frame.paletteHint }).fill('ポリシー');
    await assertAccessible(page, 'palette');
    await picture(page, 'palette-ja');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/ui/policies');
    await close();
  });

  test('language, time zone and look are chosen by the reader and kept', async () => {
    const { page, close } = await browsers.seat('sato', '/audit', 'ja');
    await page.getByText(/ JST$/).first().waitFor();
    await page.getByRole('button', { name: '佐藤 花子' }).click();
    await page.getByRole('menuitemradio', { name: 'English' }).click();
    await page.getByRole('heading', { level: 1, name: TEXTS.en.places.audit }).waitFor();
    await page.reload();
    await page.getByRole('heading', { level: 1, name: TEXTS.en.places.audit }).waitFor();
    assert.equal(await page.evaluate('document.documentElement.lang'), 'en');
    await close();
  });

  test('a change made elsewhere is seen without asking', async () => {
    const { page, close } = await browsers.seat('sato', '/access?tab=accounts', 'ja');
    await page.getByRole('button', { name: 'nightly' }).waitFor();
    gate.sekimori('key', 'create', 'morning', '--owner', 'yamada', '--purpose', '朝のバッチ', '--group', 'employee');
    await page.getByRole('button', { name: 'morning' }).waitFor();
    await close();
  });

  test('the page is guarded, and its files are kept for ever', async () => {
    const page = await fetch(`${gate.url}/ui/audit`);
    assert.equal(page.headers.get('cache-control'), 'no-store');
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self' 'nonce-[^']+'/);
    assert(!policy.includes('unsafe'));
    const html = await page.text();
    const script = /src="(\/ui\/assets\/[^"]+\.js)"/.exec(html)?.[1];
    assert(script);
    const file = await fetch(gate.url + script, { headers: { 'accept-encoding': 'br' } });
    assert.equal(file.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.equal(file.headers.get('content-encoding'), 'br');
    assert.equal((await fetch(`${gate.url}/ui/assets/nothing.js`)).status, 404);
  });
});
