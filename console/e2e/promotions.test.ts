// What proved itself in one environment goes on to the next: who proposes it, who agrees, and who may not.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { policies } from '../src/i18n/policies.ts';
import { promotions } from '../src/i18n/promotions.ts';
import { assertAccessible, assertFits, Browsers, type Language, look, picture, TEXTS } from './browser.ts';
import { Gate } from './gate.ts';

const LANGUAGES: Language[] = ['ja', 'en'];
const TOOLS = [{ name: 'list_orders', description: 'Lists the orders of a month', inputSchema: { type: 'object' } }];
const TAB = '/catalog?tab=promotions';
const CLERK = `
name = "clerk"
members = { groups = ["staff"] }
[[grants]]
classes = ["read"]
connectors = ["shop-dev-ja"]
environments = ["development"]
`;

let gate: Gate;
let browsers: Browsers;

before(async () => {
  gate = await Gate.start((gate) => {
    for (const language of LANGUAGES) {
      gate.serve(`shop-dev-${language}`, '受発注（開発）', TOOLS, '--environment', 'development', '--timeout-seconds', '20');
      gate.serve(`shop-stg-${language}`, '受発注（検証）', TOOLS, '--environment', 'staging');
      gate.sekimori('tool', 'classify', `shop-dev-${language}`, 'list_orders', '--class', 'read');
    }
    gate.sekimori('role', 'set', gate.file('clerk.toml', CLERK), '--activate');
  });
  browsers = await Browsers.start(gate);
});

after(async () => {
  await browsers?.stop();
  await gate?.stop();
});

/** What a connector is set to now. */
function timeout(name: string): number {
  const shown = JSON.parse(gate.sekimori('connector', 'show', name, '--json')) as { timeout_seconds: number };
  return shown.timeout_seconds;
}

/** Somebody proposes one in the console. Returns its id. */
async function propose(language: Language): Promise<string> {
  const s = promotions[language];
  const { page, complaints, close } = await browsers.seat('yamada', TAB, language);
  await page.getByRole('button', { name: s.propose }).first().click();
  const dialog = page.getByRole('dialog', { name: s.proposeTitle });
  const send = dialog.getByRole('button', { name: s.send });
  assert.equal(await send.getAttribute('aria-description'), s.missing);
  await dialog.getByLabel(s.from).selectOption(`shop-dev-${language}`);
  await dialog.getByLabel(s.to).selectOption(`shop-stg-${language}`);
  await dialog.getByLabel(s.reason).fill('2 週間の試用で問題なし');
  await assertAccessible(page, 'new promotion');
  await assertFits(page, 'new promotion');
  await picture(page, `promotion-new-${language}`);
  await send.click();
  await page.waitForURL(/open=/);
  const drawer = page.getByRole('dialog');
  // It shows the difference, and is not for the same person to agree to.
  const row = drawer.getByRole('table', { name: s.changes }).getByRole('row').filter({ hasText: s.settings.timeout_seconds ?? '' });
  assert.match(await row.innerText(), /120\s+20/);
  await drawer.getByRole('region', { name: s.review('list_orders') }).getByText(/"class": "read"/).waitFor();
  assert.equal(await drawer.getByRole('button', { name: s.agree }).getAttribute('aria-description'), s.second);
  await assertAccessible(page, 'promotion');
  await picture(page, `promotion-${language}`);
  assert.deepEqual(complaints, []);
  const id = new URL(page.url()).searchParams.get('open');
  assert(id);
  await close();
  return id;
}

describe('a promotion', () => {
  for (const language of LANGUAGES) {
    test(`is proposed, refused, proposed again and agreed to by a second person (${language})`, async () => {
      const s = promotions[language];
      const [from, to] = [`shop-dev-${language}`, `shop-stg-${language}`];
      const before = timeout(to);
      const refused = await propose(language);
      const { page, close } = await browsers.seat('tanaka', `${TAB}&open=${refused}`, language);
      const drawer = page.getByRole('dialog').first();
      await drawer.getByRole('button', { name: s.refuse }).click();
      const no = page.getByRole('dialog', { name: s.refuseTitle(from, to) });
      await no.getByLabel(s.word).fill('来月まで待つ');
      await no.getByRole('button', { name: s.refuseVerb, exact: true }).click();
      await drawer.getByText('来月まで待つ').waitFor();
      await drawer.getByText(s.states.refused ?? '', { exact: true }).waitFor();
      assert.equal(timeout(to), before);

      const id = await propose(language);
      await page.goto(`${gate.url}/ui${TAB}&open=${id}`);
      await drawer.getByRole('button', { name: s.agree }).click();
      const yes = page.getByRole('dialog', { name: s.agreeTitle(from, to) });
      await yes.getByLabel(s.word).fill('確認しました');
      await assertAccessible(page, 'agreeing to a promotion');
      await yes.getByRole('button', { name: s.agreeVerb }).click();
      await drawer.getByText(s.states.applied ?? '', { exact: true }).waitFor();
      await picture(page, `promotion-done-${language}`);
      assert.equal(timeout(to), timeout(from));
      await close();
    });

    test(`the list is readable for everybody and fits (${language})`, async () => {
      await look(browsers, 'tanaka', TAB, language, 'promotions');
      await look(browsers, 'tanaka', `${TAB}&new=roles`, language, 'promotion-roles');
    });
  }

  test('grants of roles become a draft', async () => {
    const s = promotions.ja;
    const { page, close } = await browsers.seat('yamada', `${TAB}&new=roles`, 'ja');
    const dialog = page.getByRole('dialog', { name: s.rolesTitle });
    await dialog.getByLabel(s.counterpart('shop-dev-ja')).selectOption('shop-stg-ja');
    await dialog.getByRole('button', { name: s.saveDraft }).click();
    await page.waitForURL(/\/policies\?tab=versions&open=\d+/);
    await page.getByRole('dialog').getByText(policies.ja.states.draft ?? '', { exact: true }).waitFor();
    const version = new URL(page.url()).searchParams.get('open');
    const saved = (await page.evaluate(`fetch('/api/v1/roles?version=${version}').then((answer) => answer.json())`)) as {
      items: { role: { name: string; grants: { environments?: string[]; connectors?: string[] }[] } }[];
    };
    const grants = saved.items.find((one) => one.role.name === 'clerk')?.role.grants;
    assert.deepEqual(grants?.[1]?.environments, ['staging']);
    assert.deepEqual(grants?.[1]?.connectors, ['shop-stg-ja']);
    await close();
  });
});

describe('who may not', () => {
  test('an auditor sees promotions and proposes none', async () => {
    const s = promotions.en;
    const { page, close } = await browsers.seat('sato', TAB, 'en');
    const button = page.getByRole('button', { name: s.propose }).first();
    await button.waitFor();
    assert.equal(await button.getAttribute('aria-description'), TEXTS.en.rights.needsAdmin);
    const status = await page.evaluate(`(async () => {
      const me = await (await fetch('/api/v1/me')).json();
      const answer = await fetch('/api/v1/promotions', {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-sekimori-csrf': me.csrf_token },
        body: JSON.stringify({ from: 'shop-dev-en', to: 'shop-stg-en', reason: 'mine' }),
      });
      return answer.status;
    })()`);
    assert.equal(status, 403);
    await close();
  });

  test('an administrator with one factor is asked for the second', async () => {
    const s = promotions.ja;
    const { page, close } = await browsers.seat('kato', TAB, 'ja');
    const button = page.getByRole('button', { name: s.propose }).first();
    await button.waitFor();
    assert.equal(await button.getAttribute('aria-description'), TEXTS.ja.rights.needsMfa);
    await close();
  });
});
