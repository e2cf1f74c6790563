// What administrators set up: the first start, connectors, what tools may get, clients, and what is configured.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { clients } from '../src/i18n/clients.ts';
import { configuration } from '../src/i18n/configuration.ts';
import { connectors } from '../src/i18n/connectors.ts';
import { constraints } from '../src/i18n/constraints.ts';
import { policies } from '../src/i18n/policies.ts';
import { rehearsal } from '../src/i18n/rehearsal.ts';
import { start } from '../src/i18n/start.ts';
import { assertAccessible, assertFits, Browsers, type Language, look, picture, TEXTS } from './browser.ts';
import { Gate } from './gate.ts';

const LANGUAGES: Language[] = ['ja', 'en'];

let gate: Gate;
let browsers: Browsers;
let system: string;

before(async () => {
  gate = await Gate.start();
  browsers = await Browsers.start(gate);
  system = await gate.system();
});

after(async () => {
  await browsers?.stop();
  await gate?.stop();
});

describe('every step and tab', () => {
  const paths = {
    'start-address': '/start?step=address',
    'start-provider': '/start?step=provider',
    'start-connector': '/start?step=connector',
    'start-roles': '/start?step=roles',
    'start-rails': '/start?step=rails',
    'start-approvers': '/start?step=approvers',
    'start-client': '/start?step=client',
    'connectors': '/catalog?tab=connectors',
    'connector': '/catalog?tab=connectors&open=crm',
    'connector-edit': '/catalog?tab=connectors&open=crm&edit=yes',
    'connector-new': '/catalog?tab=connectors&new=yes',
    'client-new': '/access?tab=clients&new=yes',
    'records': '/settings?tab=records',
    'order-new': '/settings?tab=records&new=yes',
    'configuration': '/settings?tab=configuration',
    'tool-rules': '/catalog?open=crm%2Ftest_echo',
  };
  for (const language of LANGUAGES) {
    for (const [name, path] of Object.entries(paths)) {
      test(`${name} in ${language} is readable for everybody and fits`, async () => {
        await look(browsers, 'tanaka', path, language, name);
      });
    }
  }
});

/** Fills in the template of an MCP server over HTTP. */
async function fillIn(page: Page, language: Language, name: string, url: string): Promise<void> {
  const s = connectors[language];
  await page.getByRole('button', { name: language === 'ja' ? /^MCP サーバー（HTTP）/ : /^MCP server over HTTP / }).click();
  await page.getByRole('textbox', { name: s.name }).first().fill(name);
  await page.getByLabel(s.title, { exact: true }).fill('社内 Wiki');
  await page.getByRole('textbox', { name: s.url, exact: true }).fill(url);
  await page.getByLabel(s.privateNetwork).check();
}

describe('first start', () => {
  for (const language of LANGUAGES) {
    test(`a connector is added from a template, tried, and leads to its review (${language})`, async () => {
      const s = connectors[language];
      const w = start[language];
      const name = `wiki-${language}`;
      const { page, complaints, close } = await browsers.seat('yamada', '/start', language);
      await page.getByRole('navigation', { name: w.steps }).getByRole('link', { name: w.all.connector?.title ?? '' }).click();
      await page.waitForURL(/step=connector/);
      await fillIn(page, language, name, system);
      await page.getByText(`sekimori connector add ${name} --template http`).waitFor();
      await assertAccessible(page, 'a template');
      await picture(page, `template-${language}`);
      await page.getByRole('button', { name: s.save }).click();
      await page.getByText(s.saved(name)).waitFor();
      const review = page.getByRole('status').getByRole('link', { name: s.review });
      await review.waitFor();
      await picture(page, `tried-${language}`);
      await review.click();
      await page.waitForURL(new RegExp(`connector=${name}`));
      await page.getByRole('row').filter({ hasText: `${name}/test_echo` }).waitFor();
      assert.deepEqual(complaints, []);
      await close();
    });
  }

  test('the company account is tried without a person', async () => {
    const w = start.ja;
    const { page, close } = await browsers.seat('yamada', '/start?step=provider', 'ja');
    await page.getByRole('button', { name: w.try }).first().click();
    await page.getByText(w.checks.keys ?? '').waitFor();
    assert.equal(await page.getByText(w.wrong, { exact: true }).count(), 0);
    await assertAccessible(page, 'a provider that was tried');
    await picture(page, 'provider-tried-ja');
    await close();
  });

  test('who may only look sees what is open and changes nothing', async () => {
    const { page, close } = await browsers.seat('sato', '/start?step=connector', 'en');
    await fillIn(page, 'en', 'nothing', system);
    const save = page.getByRole('button', { name: connectors.en.save });
    assert.equal(await save.getAttribute('aria-description'), TEXTS.en.rights.needsAdmin);
    await close();
  });
});

describe('connectors', () => {
  for (const language of LANGUAGES) {
    test(`one is changed, switched off and on, and removed by typing (${language})`, async () => {
      const t = TEXTS[language];
      const s = connectors[language];
      const name = `desk-${language}`;
      const { page, close } = await browsers.seat('yamada', '/catalog?tab=connectors&new=yes', language);
      await fillIn(page, language, name, system);
      await page.getByRole('button', { name: s.save }).click();
      const drawer = page.getByRole('dialog', { name: '社内 Wiki' });
      await drawer.getByRole('button', { name: s.check }).click();
      await drawer.getByRole('link', { name: s.review }).waitFor();
      await drawer.getByRole('button', { name: s.edit, exact: true }).click();
      const dialog = page.getByRole('dialog', { name: s.editTitle('社内 Wiki') });
      await dialog.getByRole('textbox', { name: s.title, exact: true }).fill('Help desk');
      await dialog.getByLabel(s.environment).selectOption('staging');
      await dialog.getByRole('button', { name: s.addCredential }).click();
      await dialog.getByLabel(`${s.headers} 1: ${s.credentialName}`).fill('X-Api-Key');
      await dialog.getByLabel(`${s.headers} 1: ${s.credentialValue}`).fill('DATABASE_URL');
      await dialog.getByRole('button', { name: s.change }).click();
      await dialog.getByText(/connectors\.api_variables/).waitFor();
      await assertAccessible(page, 'a connector that is refused');
      await picture(page, `connector-refused-${language}`);
      await dialog.getByLabel(`${s.headers} 1: ${s.credentialValue}`).fill('SEKIMORI_SECRET_DESK');
      await dialog.getByRole('button', { name: s.change }).click();
      await dialog.waitFor({ state: 'detached' });
      const changed = page.getByRole('dialog', { name: 'Help desk' });
      await changed.getByText('SEKIMORI_SECRET_DESK').waitFor();
      await changed.getByText(t.environments.staging ?? '').waitFor();
      await changed.getByRole('button', { name: s.switchOff }).click();
      await page.getByRole('dialog', { name: s.offTitle(name) }).getByRole('button', { name: s.switchOff }).click();
      await changed.getByText(t.connectorStates.disabled ?? '').first().waitFor();
      await changed.getByRole('button', { name: s.switchOn }).click();
      await page.getByText(s.switched(name, true)).waitFor();
      await changed.getByRole('button', { name: s.remove, exact: true }).click();
      const ask = page.getByRole('dialog', { name: s.removeTitle(name) });
      await ask.getByLabel(t.common.typeToConfirm(name)).fill(name);
      await ask.getByRole('button', { name: s.remove }).click();
      await page.getByText(s.removed(name)).waitFor();
      await page.getByRole('row').filter({ hasText: name }).waitFor({ state: 'detached' });
      await close();
    });
  }

  test('one that is protected by OAuth tells whose accounts are linked', async () => {
    const s = connectors.ja;
    gate.sekimori('connector', 'add', 'drive', '--http', system, '--oauth', 'person', '--allow-private-network');
    const { page, close } = await browsers.seat('sato', '/catalog?tab=connectors&open=drive', 'ja');
    const drawer = page.getByRole('dialog');
    await drawer.getByRole('heading', { name: s.accounts }).waitFor();
    await drawer.getByText(s.noAccounts).waitFor();
    await assertAccessible(page, 'linked accounts');
    await assertFits(page, 'linked accounts');
    await picture(page, 'linked-accounts-ja');
    await close();
  });

  test('a program that the configuration does not name is set up by command', async () => {
    const s = connectors.ja;
    const { page, close } = await browsers.seat('yamada', '/catalog?tab=connectors&new=yes', 'ja');
    const dialog = page.getByRole('dialog', { name: s.addTitle });
    await dialog.getByRole('button', { name: /^Slack/ }).click();
    await dialog.getByText('sekimori connector add slack --template slack').waitFor();
    const save = dialog.getByRole('button', { name: s.save });
    assert.equal(await save.getAttribute('aria-description'), s.unavailable);
    await close();
  });
});

describe('a tool', () => {
  for (const language of LANGUAGES) {
    test(`is tried as somebody else, without being called (${language})`, async () => {
      const s = rehearsal[language];
      const { page, close } = await browsers.seat('yamada', '/catalog?open=crm%2Ftest_echo', language);
      const drawer = page.getByRole('dialog', { name: 'crm/test_echo' });
      await drawer.getByLabel(s.user).fill('service:nightly');
      await drawer.getByLabel(s.arguments).fill('{"message": 7}');
      await drawer.getByRole('button', { name: s.run }).click();
      await drawer.getByText(s.outcomes.refused ?? '').waitFor();
      await drawer.getByText(s.stopped).waitFor();
      await drawer.getByLabel(s.arguments).fill('{"message": "hello"}');
      await drawer.getByRole('button', { name: s.run }).click();
      await drawer.getByText(s.outcomes.allowed ?? '').waitFor();
      await drawer.getByText('employee-reads').waitFor();
      await assertAccessible(page, 'a rehearsal');
      await drawer.getByText(s.outcomes.allowed ?? '').scrollIntoViewIfNeeded();
      await picture(page, `rehearsal-${language}`);
      await close();
    });
  }

  test('gets rules on its arguments, which calls are held against', async () => {
    const s = constraints.ja;
    const { page, close } = await browsers.seat('yamada', '/catalog?open=crm%2Ftest_echo', 'ja');
    const drawer = page.getByRole('dialog', { name: 'crm/test_echo' });
    await drawer.getByRole('button', { name: s.add }).click();
    const rule = drawer.getByRole('group', { name: s.projection('1') });
    await rule.getByLabel(s.name).fill('note');
    await rule.getByLabel(s.pointers).fill('/message');
    await rule.getByLabel(s.kind).selectOption('text');
    await rule.getByLabel(s.fields.chars_max ?? '').fill('5');
    await assertAccessible(page, 'rules on arguments');
    await picture(page, 'tool-rules-edited-ja');
    await drawer.getByRole('button', { name: s.save }).click();
    await page.getByText(s.saved('crm/test_echo')).waitFor();
    const r = rehearsal.ja;
    await drawer.getByLabel(r.user).fill('service:nightly');
    await drawer.getByLabel(r.arguments).fill('{"message": "much too long"}');
    await drawer.getByRole('button', { name: r.run }).click();
    await drawer.getByText(r.outcomes.refused ?? '').waitFor();
    await close();
    assert.match(await gate.call('crm__test_echo', { message: 'short' }), /short/);
    assert.doesNotMatch(await gate.call('crm__test_echo', { message: 'much too long' }), /"message":"much/);
  });

  test('is not tried by who may only look', async () => {
    const { page, close } = await browsers.seat('sato', '/catalog?open=crm%2Ftest_echo', 'ja');
    const run = page.getByRole('button', { name: rehearsal.ja.run });
    assert.equal(await run.getAttribute('aria-description'), TEXTS.ja.rights.needsAdmin);
    await close();
  });
});

describe('settings', () => {
  test('a client is registered beforehand', async () => {
    const s = clients.ja;
    const { page, close } = await browsers.seat('yamada', '/access?tab=clients', 'ja');
    await page.getByRole('button', { name: s.add }).first().click();
    const dialog = page.getByRole('dialog', { name: s.addTitle });
    await dialog.getByRole('textbox', { name: s.name, exact: false }).first().fill('経費エージェント');
    await dialog.getByLabel(s.redirects).fill('https://agent.example.co.jp/callback');
    await dialog.getByRole('button', { name: s.create }).click();
    await page.getByText(s.created('経費エージェント')).waitFor();
    await page.getByRole('dialog', { name: '経費エージェント' }).getByText('https://agent.example.co.jp/callback').waitFor();
    await close();
  });

  test('a hold is proposed by security and not by who runs the gate', async () => {
    const s = configuration.ja;
    const administrator = await browsers.seat('yamada', '/settings?tab=records', 'ja');
    const button = administrator.page.getByRole('button', { name: s.propose });
    await button.waitFor();
    assert.equal(await button.getAttribute('aria-description'), TEXTS.ja.rights.needsSecurity);
    await administrator.close();
    const { page, close } = await browsers.seat('tanaka', '/settings?tab=records', 'ja');
    await page.getByRole('button', { name: s.propose }).click();
    const dialog = page.getByRole('dialog', { name: s.proposeTitle });
    await dialog.getByLabel(s.reason).fill('訴訟対応（案件 12）');
    await dialog.getByLabel(s.selections.connector ?? '').fill('crm');
    await dialog.getByRole('button', { name: s.send }).click();
    await page.getByText(s.proposed).waitFor();
    const row = page.getByRole('table', { name: s.orders }).getByRole('row').filter({ hasText: '案件 12' });
    await row.getByText(s.states.proposed ?? '', { exact: true }).waitFor();
    await assertAccessible(page, 'records');
    await assertFits(page, 'records');
    await picture(page, 'order-ja');
    await close();
  });

  test('the configuration file is shown with its places and without secrets', async () => {
    const s = configuration.en;
    const { page, close } = await browsers.seat('sato', '/settings?tab=configuration', 'en');
    await page.getByText('server.public_url').waitFor();
    await page.getByLabel(s.find).fill('identity.providers');
    await page.getByText('"client_id": "gate"').waitFor();
    assert.equal(await page.getByText('only-for-tests').count(), 0);
    await close();
  });

  test('a draft is checked without being saved', async () => {
    const s = policies.ja;
    const { page, close } = await browsers.seat('yamada', '/policies?tab=draft', 'ja');
    const versions = async () => (await (await page.request.get('/api/v1/policies')).json()) as { items: object[] };
    const before = (await versions()).items.length;
    const text = page.getByLabel(s.text);
    const whole = await text.inputValue();
    await page.getByRole('button', { name: s.check }).click();
    await page.getByText(/件のテストがすべて成功/).waitFor();
    await text.fill(`${whole}\n@id("broken") permit (principal, action, resource) when { context.nonsense };`);
    await page.getByRole('button', { name: s.check }).click();
    await page.getByRole('alert').getByRole('button', { name: /行/ }).first().waitFor();
    assert.equal((await versions()).items.length, before);
    await close();
  });
});
