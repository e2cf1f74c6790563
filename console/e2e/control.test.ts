// What administrators change: what is stopped, how much may be called, and the policies.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { accounts } from '../src/i18n/accounts.ts';
import { limits } from '../src/i18n/limits.ts';
import { policies } from '../src/i18n/policies.ts';
import { stops } from '../src/i18n/stops.ts';
import { assertAccessible, assertFits, Browsers, type Language, look, picture, TEXTS } from './browser.ts';
import { Gate } from './gate.ts';

const LANGUAGES: Language[] = ['ja', 'en'];

let gate: Gate;
let browsers: Browsers;

before(async () => {
  gate = await Gate.start();
  browsers = await Browsers.start(gate);
  for (let number = 0; number < 2; number++) await gate.call('crm__test_echo', { message: 'hello' });
});

after(async () => {
  await browsers?.stop();
  await gate?.stop();
});

describe('every tab', () => {
  const tabs = {
    stops: '/access?tab=stops',
    stop: '/access?tab=stops&stop=connector',
    reach: '/access?tab=reach&principal=service%3Anightly',
    providers: '/settings?tab=providers',
    provider: '/settings?tab=providers&open=demo',
    newProvider: '/settings?tab=providers&new=yes',
    limits: '/settings?tab=limits',
    limit: '/settings?tab=limits&new=yes',
    roles: '/policies?tab=roles',
    role: '/policies?tab=roles&new=yes&template=office-hours-editor',
    rails: '/policies?tab=guard-rails',
    versions: '/policies?tab=versions',
    version: '/policies?tab=versions&open=1',
    draft: '/policies?tab=draft',
  };
  for (const language of LANGUAGES) {
    for (const [name, path] of Object.entries(tabs)) {
      test(`${name} in ${language} is readable for everybody and fits`, async () => {
        await look(browsers, 'tanaka', path, language, name);
      });
    }
  }
});

describe('kill switch', () => {
  for (const language of LANGUAGES) {
    test(`a connector is stopped and released (${language})`, async () => {
      const s = stops[language];
      const { page, close } = await browsers.seat('yamada', '/access?tab=stops', language);
      await page.getByRole('button', { name: s.engage, exact: true }).click();
      const dialog = page.getByRole('dialog', { name: s.engageTitle });
      await dialog.getByLabel(s.ids.connector ?? '').fill('crm');
      const stop = dialog.getByRole('button', { name: s.stop, exact: true });
      assert(await stop.isDisabled(), 'a reason is needed');
      await dialog.getByLabel(s.reason).fill('障害の調査');
      await dialog.getByLabel(s.contact).fill('内線 1234');
      await dialog.getByLabel(s.end).selectOption('8');
      await stop.click();
      await page.getByText(s.stopped(`${s.kinds.connector} crm`)).waitFor();
      assert.match(await gate.call('crm__test_echo', { message: 'no' }), /障害の調査/);
      await page.getByRole('row').filter({ hasText: s.states.engaged ?? '' }).getByRole('button').first().click();
      const drawer = page.getByRole('dialog');
      await drawer.getByText('内線 1234').waitFor();
      await drawer.getByRole('table', { name: s.nodes }).waitFor();
      await assertAccessible(page, 'kill switch');
      await picture(page, `stopped-${language}`);
      await drawer.getByRole('button', { name: s.release }).click();
      const ask = page.getByRole('dialog', { name: s.releaseTitle(`${s.kinds.connector} crm`) });
      await ask.getByRole('button', { name: s.release }).click();
      await page.getByText(s.released(`${s.kinds.connector} crm`)).waitFor();
      assert.match(await gate.call('crm__test_echo', { message: 'again' }), /again/);
      await close();
    });
  }

  test('everything is stopped only by typing so', async () => {
    const s = stops.ja;
    const { page, close } = await browsers.seat('yamada', '/access?tab=stops&stop=all', 'ja');
    const dialog = page.getByRole('dialog', { name: s.engageTitle });
    await dialog.getByLabel(s.reason).fill('全社の障害');
    const stop = dialog.getByRole('button', { name: s.stop, exact: true });
    assert(await stop.isDisabled());
    await dialog.getByLabel(TEXTS.ja.common.typeToConfirm(s.word)).fill(s.word);
    assert(await stop.isEnabled());
    await close();
  });

  test('a drill stops nobody and tells how long each node took', async () => {
    const s = stops.ja;
    const { page, close } = await browsers.seat('yamada', '/access?tab=stops', 'ja');
    await page.getByRole('button', { name: s.drill, exact: true }).click();
    const dialog = page.getByRole('dialog', { name: s.drillTitle });
    await dialog.getByRole('button', { name: s.drillRun }).click();
    const row = dialog.getByRole('table', { name: s.drillTitle }).getByRole('row').nth(1);
    await row.waitFor();
    assert.match(await row.innerText(), /\d (ms|s)/);
    await assertAccessible(page, 'drill');
    await picture(page, 'drill-ja');
    await close();
  });

  test('an auditor sees it and may not use it', async () => {
    const { page, close } = await browsers.seat('sato', '/access?tab=stops', 'en');
    const button = page.getByRole('button', { name: stops.en.engage, exact: true });
    await button.waitFor();
    assert.equal(await button.getAttribute('aria-description'), TEXTS.en.rights.needsAdmin);
    await close();
  });
});

describe('limits', () => {
  for (const language of LANGUAGES) {
    test(`a limit is set, changed and removed (${language})`, async () => {
      const s = limits[language];
      const name = `per-person-${language}`;
      const { page, close } = await browsers.seat('yamada', '/settings?tab=limits', language);
      await page.getByRole('button', { name: s.add }).click();
      const dialog = page.getByRole('dialog', { name: s.addTitle });
      await dialog.getByRole('textbox', { name: s.name, exact: true }).fill(name);
      await dialog.getByLabel(s.whoId).fill('usr_1');
      await dialog.getByRole('button', { name: s.save }).click();
      await page.getByText(s.saved(name)).waitFor();
      await page.getByRole('button', { name }).click();
      const drawer = page.getByRole('dialog', { name });
      await drawer.getByText(s.rate('60', '60'), { exact: true }).waitFor();
      await assertAccessible(page, 'limit');
      await picture(page, `limit-${language}`);
      await drawer.getByLabel(s.kind, { exact: true }).selectOption('daily');
      await drawer.getByRole('button', { name: s.save }).click();
      await drawer.getByText(s.daily('1,000'), { exact: true }).waitFor();
      await drawer.getByRole('button', { name: s.remove }).click();
      await page.getByRole('dialog', { name: s.removeTitle(name) }).getByRole('button', { name: s.remove }).click();
      await page.getByText(s.removed(name)).waitFor();
      await page.getByRole('button', { name }).waitFor({ state: 'detached' });
      await close();
    });
  }
});

describe('service accounts', () => {
  for (const language of LANGUAGES) {
    test(`one is made with a key that is shown once (${language})`, async () => {
      const t = TEXTS[language];
      const s = accounts[language];
      const name = `report-${language}`;
      const { page, close } = await browsers.seat('yamada', '/access?tab=accounts', language);
      await page.getByRole('button', { name: s.add }).click();
      const dialog = page.getByRole('dialog', { name: s.add });
      await dialog.getByRole('textbox', { name: s.name, exact: false }).first().fill(name);
      await dialog.getByLabel(s.owner).fill('yamada');
      await dialog.getByLabel(s.purpose).fill('月次レポート');
      await dialog.getByLabel(s.groups).fill('employee');
      await assertAccessible(page, 'new service account');
      await picture(page, `account-new-${language}`);
      await dialog.getByRole('button', { name: s.create }).click();
      await page.getByText(s.created(name)).waitFor();
      await page.getByRole('dialog', { name }).getByRole('button', { name: s.addKey }).click();
      const key = page.getByRole('dialog', { name: s.addKey });
      await key.getByRole('button', { name: s.addKey }).click();
      await key.getByText(s.keyOnce).waitFor();
      const secret = (await key.locator('pre').innerText()).trim();
      assert.match(await gate.call('crm__test_echo', { message: 'by the new key' }, secret), /by the new key/);
      await assertAccessible(page, 'new key');
      await key.getByRole('button', { name: t.common.close }).last().click();
      await page.getByRole('dialog', { name }).getByText(t.access.keyStates.active ?? '').first().waitFor();
      await close();
    });
  }
});

describe('policies', () => {
  test('a draft is checked with line and column, agreed to by somebody else, put in force and rolled back', async () => {
    const t = TEXTS.ja;
    const s = policies.ja;
    const { page, close } = await browsers.seat('yamada', '/policies?tab=draft', 'ja');
    const text = page.getByLabel(s.text);
    const before = await text.inputValue();
    const wrong = before.split('\n').length + 1;
    await text.fill(`${before}\n@id("broken") permit (principal, action, resource) when { context.nonsense };`);
    await page.getByRole('button', { name: s.save }).click();
    const place = page.getByRole('alert').getByRole('button', { name: new RegExp(`^${wrong} 行 \\d+ 文字目$`) });
    await place.first().waitFor();
    await assertAccessible(page, 'a draft with flaws');
    await picture(page, 'draft-wrong-ja');
    await place.first().click();
    assert.equal(await text.evaluate((field) => document.activeElement === field), true);

    const rule = '@id("echo-for-batch")\npermit (principal == Sekimori::ServiceAccount::"nightly", action == Sekimori::Action::"create", resource);';
    await text.fill(`${before}\n${rule}\n`);
    await page.getByRole('button', { name: s.save }).click();
    await page.waitForURL(/tab=versions&open=\d+/);
    const version = Number(new URL(page.url()).searchParams.get('open'));
    const name = t.policies.version(version);
    const drawer = page.getByRole('dialog', { name });
    await drawer.getByText(s.secondPerson).waitFor();
    const agree = drawer.getByRole('button', { name: s.agree });
    assert.equal(await agree.getAttribute('aria-description'), s.secondPerson);
    await drawer.getByText('echo-for-batch').first().waitFor();
    await drawer.getByRole('button', { name: s.runTests }).click();
    await drawer.getByText(/件のテストがすべて成功/).waitFor();
    await drawer.getByRole('button', { name: s.impactRun }).click();
    await drawer.getByText(s.impactNone).waitFor();
    await assertAccessible(page, 'version');
    await picture(page, 'version-draft-ja');
    await close();

    const second = await browsers.seat('tanaka', `/policies?tab=versions&open=${version}`, 'ja');
    const theirs = second.page.getByRole('dialog', { name });
    await theirs.getByRole('button', { name: s.trial }).click();
    await second.page.getByRole('dialog', { name: s.trialTitle(name) }).getByRole('button', { name: s.trial }).click();
    await theirs.getByText(s.states.log_only ?? '', { exact: true }).waitFor();
    await theirs.getByRole('button', { name: s.agree }).click();
    const word = second.page.getByRole('dialog', { name: s.agreeTitle(name) });
    await word.getByLabel(s.note).fill('営業部と確認済み');
    await word.getByRole('button', { name: s.agreeVerb }).click();
    await theirs.getByText('営業部と確認済み').waitFor();
    await theirs.getByRole('button', { name: s.activate }).click();
    await second.page.getByRole('dialog', { name: s.activateTitle(name) }).getByRole('button', { name: s.activate }).click();
    await theirs.getByText(s.states.active ?? '', { exact: true }).waitFor();
    await picture(second.page, 'version-active-ja');
    await second.page.keyboard.press('Escape');
    await theirs.waitFor({ state: 'detached' });
    await second.page.getByRole('button', { name: s.rollBack }).click();
    await second.page.getByRole('dialog', { name: s.rollBackTitle }).getByRole('button', { name: s.rollBack.replace('…', '') }).click();
    await second.page.getByText(s.rolledBack).waitFor();
    await second.page.getByRole('row').filter({ hasText: name }).getByText(s.states.retired ?? '').waitFor();
    await second.close();
  });

  test('an impact report tells whose calls would be decided otherwise', async () => {
    const s = policies.en;
    const { page, close } = await browsers.seat('yamada', '/policies?tab=draft', 'en');
    const none = '@id("nothing")\nforbid (principal, action, resource);\n';
    await page.getByLabel(s.text).fill(none);
    await page.getByLabel(s.testsText).fill('');
    await page.getByRole('button', { name: s.save }).click();
    await page.waitForURL(/tab=versions&open=\d+/);
    const drawer = page.getByRole('dialog');
    await drawer.getByRole('button', { name: s.impactRun }).click();
    const row = drawer.getByRole('table', { name: s.impact }).getByRole('row').filter({ hasText: 'crm/test_echo' });
    await row.getByText('nightly').first().waitFor();
    await row.getByText(TEXTS.en.decisions.deny ?? '').first().waitFor();
    await assertAccessible(page, 'impact');
    await row.first().scrollIntoViewIfNeeded();
    await picture(page, 'impact-en');
    await close();
  });

  for (const language of LANGUAGES) {
    test(`a role is made from a template in words (${language})`, async () => {
      const s = policies[language];
      const { page, close } = await browsers.seat('yamada', '/policies?tab=roles', language);
      await page.getByRole('button', { name: s.newRole }).first().click();
      await page.getByLabel(s.template).selectOption('editor');
      await page.getByLabel(s.roleName).fill(`sales-${language}`);
      await page.getByLabel(s.memberGroups).fill('staff, managers');
      const grant = page.getByRole('region', { name: s.grant('1') });
      await grant.getByRole('textbox', { name: s.connectors, exact: true }).fill('crm');
      await grant.getByLabel(s.addCondition).selectOption('hours');
      await grant.getByRole('checkbox', { name: s.weekdays[0] ?? '' }).check();
      await grant.getByText(`${s.of}: crm`).waitFor();
      await assertAccessible(page, 'role editor');
      await assertFits(page, 'role editor');
      await picture(page, `role-edited-${language}`);
      await page.getByRole('button', { name: s.saveRole }).click();
      await page.waitForURL(/tab=versions&open=\d+/);
      await page.getByRole('dialog').getByText(s.states.draft ?? '', { exact: true }).waitFor();
      const version = new URL(page.url()).searchParams.get('open');
      const saved = (await page.evaluate(`fetch('/api/v1/roles?version=${version}').then((answer) => answer.json())`)) as {
        items: { role: { name: string; members: object; grants: { connectors?: string[]; conditions?: object[] }[] } }[];
      };
      const role = saved.items.find((one) => one.role.name === `sales-${language}`)?.role;
      assert.deepEqual(role?.members, { groups: ['managers', 'staff'] });
      assert.deepEqual(role?.grants[0]?.connectors, ['crm']);
      assert.deepEqual(role?.grants[0]?.conditions, [
        { kind: 'hours', from_minute: 540, until_minute: 1080, weekdays: [1], holidays: false },
      ]);
      await close();
    });
  }

  test('guard-rails are for security administrators', async () => {
    const s = policies.ja;
    const { page, close } = await browsers.seat('yamada', '/policies?tab=guard-rails', 'ja');
    const save = page.getByRole('button', { name: s.saveRails });
    await save.waitFor();
    assert.equal(await save.getAttribute('aria-description'), TEXTS.ja.rights.needsSecurity);
    await close();
    const security = await browsers.seat('tanaka', '/policies?tab=guard-rails', 'ja');
    await security.page.getByRole('switch').first().uncheck();
    await security.page.getByRole('button', { name: s.saveRails }).click();
    await security.page.waitForURL(/tab=versions&open=\d+/);
    await security.close();
  });

  test('effective access leads to why', async () => {
    const s = policies.ja;
    const { page, close } = await browsers.seat('sato', '/access?tab=reach', 'ja');
    await page.getByText(s.askFirst).waitFor();
    await page.getByRole('textbox', { name: TEXTS.ja.policies.who }).fill('service:nightly');
    await page.getByRole('button', { name: `${s.ask}: ${TEXTS.ja.policies.who}` }).click();
    const row = page.getByRole('table', { name: s.whatCan }).getByRole('row').filter({ hasText: 'crm/test_echo' });
    await row.getByText('employee-reads').waitFor();
    await picture(page, 'what-can-ja');
    await row.getByRole('link', { name: s.explain }).click();
    await page.getByText(TEXTS.ja.decisions.allow ?? '').first().waitFor();
    await page.goto(`${gate.url}/ui/access?tab=reach&of=crm%2Ftest_echo`);
    await page.getByRole('table', { name: s.whoCan }).getByText('nightly').first().waitFor();
    await close();
  });
});
