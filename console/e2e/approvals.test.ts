// What waits for people: who decides on it, how, and who may not.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { substitutes } from '../src/i18n/substitutes.ts';
import { inspection } from '../src/i18n/inspection.ts';
import { assertAccessible, assertFits, Browsers, eventually, type Language, picture, TEXTS } from './browser.ts';
import { Gate, type PersonName } from './gate.ts';

const LANGUAGES: Language[] = ['ja', 'en'];
const TOOL = 'bank__test_echo';
const ASKS = `
@id("payments-are-looked-at")
@approval("支払いは上長が確認します")
permit (principal in Sekimori::Role::"employee", action in [Sekimori::Action::"create", Sekimori::Action::"update"], resource);
`;
/** A register of customers: what changes one says how it is read before. */
const REGISTER = [
  {
    name: 'get_customer',
    inputSchema: { type: 'object', properties: { id: { type: 'string' } } },
    answer: { customer: { name: '青山商事', limit: 100_000 } },
  },
  {
    name: 'update_customer',
    inputSchema: {
      type: 'object',
      properties: { id: { type: 'string' }, name: { type: 'string' }, limit: { type: 'integer' } },
    },
  },
];
const READ_BEFORE = `
[current]
tool = "get_customer"
arguments = { id = "/id" }
compare = { "/limit" = "/customer/limit", "/name" = "/customer/name" }
`;

/** Where approvers are told: what it heard, and whether it takes anything. */
const chat = { heard: [] as string[], takes: true, server: undefined as Server | undefined };

let gate: Gate;
let browsers: Browsers;
/** With which an AI client acts for somebody. */
const tokens = new Map<PersonName, string>();

/** A chat's webhook. Returns the settings that lead to it. */
async function openChat(): Promise<string> {
  chat.server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (chat.takes) chat.heard.push(Buffer.concat(parts).toString());
    response.writeHead(chat.takes ? 200 : 410).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => chat.server?.once('listening', resolve));
  const address = chat.server.address();
  assert(address !== null && typeof address === 'object');
  const url = `http://127.0.0.1:${address.port}/hook`;
  return `
[[approvals.webhooks]]
name = "chat"
form = "slack"
url = { value = "${url}" }
allow_private_network = true
`;
}

before(async () => {
  const settings = await openChat();
  gate = await Gate.start((gate) => {
    gate.connect('bank', '経費精算');
    gate.sekimori('tool', 'classify', 'bank', 'test_echo', '--class', 'create');
    gate.serve('customers', '顧客台帳', REGISTER);
    gate.sekimori('tool', 'classify', 'customers', 'get_customer', '--class', 'read');
    gate.sekimori('tool', 'classify', 'customers', 'update_customer', '--class', 'update');
    gate.sekimori('tool', 'constrain', 'customers', 'update_customer', '--file', gate.file('update.toml', READ_BEFORE));
    const text = gate.sekimori('policy', 'default') + ASKS;
    gate.sekimori('policy', 'save', gate.file('asks.cedar', text), '--activate');
  }, settings);
  browsers = await Browsers.start(gate);
  for (const name of ['suzuki', 'ito'] as const) tokens.set(name, await browsers.token(name));
  // Whom something is handed over to must be known.
  await (await browsers.seat('tanaka', '/approvals', 'ja')).close();
});

after(async () => {
  await browsers?.stop();
  await gate?.stop();
  chat.server?.close();
});

/** Somebody's AI client calls a tool that waits for people. Returns the id of the request. */
async function ask(name: PersonName, message: string): Promise<string> {
  return askTo(name, TOOL, { message });
}

async function askTo(name: PersonName, tool: string, args: object): Promise<string> {
  const answer = await gate.call(tool, args, tokens.get(name));
  const id = /apr_[0-9a-f]+/.exec(answer)?.[0];
  assert(id, answer);
  return id;
}

describe('a call waits for people', () => {
  for (const language of LANGUAGES) {
    test(`it is approved, and goes through once (${language})`, async () => {
      const t = TEXTS[language];
      const message = `pay ${language}`;
      await ask('suzuki', message);
      const { page, complaints, close } = await browsers.seat('ito', '/approvals', language);
      await page.getByRole('row').filter({ hasText: 'bank/test_echo' }).getByRole('button').first().click();
      const drawer = page.getByRole('dialog');
      await drawer.getByText(message).waitFor();
      await drawer.getByText('支払いは上長が確認します').first().waitFor();
      await drawer.getByRole('button', { name: t.approvals.ways.approve }).click();
      await drawer.getByLabel(t.approvals.labels.approve).fill('OK');
      await assertAccessible(page, 'request');
      await picture(page, `approval-${language}`);
      await page.emulateMedia({ colorScheme: 'dark' });
      await assertAccessible(page, 'request, dark');
      await picture(page, `approval-${language}-dark`);
      await drawer.getByRole('button', { name: t.approvals.confirm.approve, exact: true }).click();
      await page.getByText(t.approvals.did.approve).waitFor();
      await drawer.getByText(t.approvals.states.approved ?? '', { exact: true }).waitFor();
      assert.match(await gate.call(TOOL, { message }, tokens.get('suzuki')), new RegExp(`Echo: ${message}|${message}`));
      assert.deepEqual(complaints, []);
      await close();
    });
  }

  test('it is refused on a phone, with a reason that the client is told', async () => {
    const t = TEXTS.ja;
    const id = await ask('suzuki', 'refuse me');
    const { page, close } = await browsers.seat('ito', `/approvals?open=${id}`, 'ja', { viewport: { width: 390, height: 844 } });
    const drawer = page.getByRole('dialog');
    await drawer.getByRole('button', { name: t.approvals.ways.refuse }).click();
    const refuse = drawer.getByRole('button', { name: t.approvals.confirm.refuse });
    assert(await refuse.isDisabled(), 'a reason is needed');
    await drawer.getByLabel(t.approvals.labels.refuse).fill('請求書がありません');
    await assertAccessible(page, 'refusal on a phone');
    await assertFits(page, 'refusal on a phone');
    await picture(page, 'approval-ja-phone');
    await refuse.click();
    await page.getByText(t.approvals.did.refuse).waitFor();
    assert.match(await gate.call(TOOL, { message: 'refuse me' }, tokens.get('suzuki')), /請求書がありません/);
    await close();
  });

  test('its arguments are changed', async () => {
    const t = TEXTS.ja;
    const id = await ask('suzuki', 'pay 1000000');
    const { page, close } = await browsers.seat('ito', `/approvals?open=${id}`, 'ja');
    const drawer = page.getByRole('dialog');
    await drawer.getByRole('button', { name: t.approvals.ways.edit }).click();
    const field = drawer.getByLabel(t.approvals.labels.edit);
    await field.fill('{ not JSON');
    assert(await drawer.getByRole('button', { name: t.approvals.confirm.edit }).isDisabled());
    await field.fill('{ "message": "pay 1000" }');
    await drawer.getByRole('button', { name: t.approvals.confirm.edit }).click();
    await page.getByText(t.approvals.did.edit).waitFor();
    await drawer.getByText('pay 1000', { exact: true }).waitFor();
    await drawer.getByText(t.approvals.editedBy('伊藤 恵子')).waitFor();
    await picture(page, 'approval-edited-ja');
    await close();
  });

  test('it is handed over, and the other one decides', async () => {
    const t = TEXTS.en;
    const id = await ask('suzuki', 'hand me over');
    const { page, close } = await browsers.seat('ito', `/approvals?open=${id}`, 'en');
    const drawer = page.getByRole('dialog');
    await drawer.getByRole('button', { name: t.approvals.ways.delegate }).click();
    await drawer.getByLabel(t.approvals.labels.delegate).fill('tanaka');
    await drawer.getByRole('button', { name: t.approvals.confirm.delegate, exact: true }).click();
    await page.getByText(t.approvals.did.delegate).waitFor();
    await drawer.getByText(t.approvals.whyNot.approval_handed_over ?? '').waitFor();
    await close();
    const other = await browsers.seat('tanaka', `/approvals?open=${id}`, 'en');
    const theirs = other.page.getByRole('dialog');
    await theirs.getByRole('button', { name: t.approvals.ways.approve }).click();
    await theirs.getByRole('button', { name: t.approvals.confirm.approve, exact: true }).click();
    await other.page.getByText(t.approvals.did.approve).waitFor();
    await other.close();
  });
});

describe('what a call would change', () => {
  const update = 'customers__update_customer';

  for (const [place, language] of LANGUAGES.entries()) {
    test(`the present state is beside what is asked for, and follows what people change (${language})`, async () => {
      const t = TEXTS[language];
      const id = await askTo('suzuki', update, { id: `c${place}`, name: '青山商事', limit: 500_000 });
      const { page, complaints, close } = await browsers.seat('ito', `/approvals?open=${id}`, language);
      const drawer = page.getByRole('dialog');
      await drawer.getByText(t.approvals.readBy('get_customer')).waitFor();
      const changes = drawer.getByRole('table', { name: t.approvals.changes });
      const row = changes.getByRole('row').filter({ hasText: '/limit' });
      assert.match(await row.innerText(), /100000\s+500000/);
      assert.equal(await changes.getByRole('row').count(), 2, 'what stays is not a change');
      await drawer.getByText(`${t.approvals.unchanged}: /name`).waitFor();
      await changes.scrollIntoViewIfNeeded();
      await assertAccessible(page, 'changes of a request');
      await assertFits(page, 'changes of a request');
      await picture(page, `approval-changes-${language}`);
      await page.setViewportSize({ width: 390, height: 844 });
      await assertFits(page, 'changes of a request on a phone');
      await page.setViewportSize({ width: 1280, height: 800 });
      await drawer.getByRole('button', { name: t.approvals.ways.edit }).click();
      await drawer.getByLabel(t.approvals.labels.edit).fill(`{ "id": "c${place}", "name": "青山商事", "limit": 200000 }`);
      await drawer.getByRole('button', { name: t.approvals.confirm.edit }).click();
      await page.getByText(t.approvals.did.edit).waitFor();
      await changes.getByText('200000').waitFor();
      assert.match(await row.innerText(), /100000\s+200000/);
      await drawer.getByRole('button', { name: t.approvals.ways.approve }).click();
      await drawer.getByRole('button', { name: t.approvals.confirm.approve, exact: true }).click();
      await page.getByText(t.approvals.did.approve).waitFor();
      const made = { id: `c${place}`, name: '青山商事', limit: 200_000 };
      assert.match(await gate.call(update, made, tokens.get('suzuki')), /"limit":200000/);
      assert.deepEqual(complaints, []);
      await close();
    });
  }

  test('that it could not be read is said', async () => {
    const t = TEXTS.ja;
    const id = await askTo('suzuki', update, { limit: 1 });
    const { page, close } = await browsers.seat('ito', `/approvals?open=${id}`, 'ja');
    const drawer = page.getByRole('dialog');
    await drawer.getByText(t.approvals.notRead).waitFor();
    await picture(page, 'approval-not-read-ja');
    await close();
  });
});

describe('sensitive data in the arguments', () => {
  for (const language of LANGUAGES) {
    test(`is set off where it stands and told by its type (${language})`, async () => {
      const t = TEXTS[language];
      const s = inspection[language];
      const mail = `hanako-${language}@example.co.jp`;
      const id = await ask('suzuki', `${mail} 宛に請求書を送る`);
      const { page, complaints, close } = await browsers.seat('ito', `/approvals?open=${id}`, language);
      const drawer = page.getByRole('dialog');
      await drawer.locator('mark', { hasText: mail }).waitFor();
      const found = drawer.getByRole('table', { name: t.approvals.findings });
      await found.getByText(s.types.EMAIL ?? '').waitFor();
      await found.getByText('/message').waitFor();
      await assertAccessible(page, 'findings of a request');
      await assertFits(page, 'findings of a request');
      await picture(page, `approval-findings-${language}`);
      await close();
      // Who only looks sees neither the values nor what is in them.
      const auditor = await browsers.seat('sato', `/approvals?open=${id}`, language);
      await auditor.page.getByRole('dialog').getByText(t.approvals.masked).waitFor();
      assert.equal(await auditor.page.getByText(mail).count(), 0);
      assert.equal(await auditor.page.getByRole('table', { name: t.approvals.findings }).count(), 0);
      await auditor.close();
      assert.deepEqual(complaints, []);
    });
  }
});

describe('what approvers could not be told', () => {
  for (const language of LANGUAGES) {
    test(`is an alert with its reason, and is sent again (${language})`, async () => {
      const s = substitutes[language];
      chat.takes = false;
      const id = await ask('suzuki', `nobody hears ${language}`);
      const { page, complaints, close } = await browsers.seat('yamada', '/alerts', language);
      const given = async () => (await page.request.get('/api/v1/approval-notices')).text();
      await eventually(given, (told) => told.includes(id));
      await page.reload();
      const link = page.getByTitle(id);
      const card = page.getByRole('region', { name: s.notTold('chat') }).filter({ has: link });
      await card.getByText('410').waitFor();
      await card.getByText(s.notToldNext('1')).waitFor();
      await assertAccessible(page, 'what approvers could not be told');
      await assertFits(page, 'what approvers could not be told');
      await picture(page, `not-told-${language}`);
      chat.takes = true;
      await card.getByRole('button', { name: s.retry }).click();
      await page.getByText(s.retried).waitFor();
      await card.waitFor({ state: 'detached' });
      await eventually(async () => chat.heard.join(), (heard) => heard.includes(id));
      assert.equal((await given()).includes(id), false);
      assert.deepEqual(complaints, []);
      await close();
    });
  }

  test('is not sent again by who may only look', async () => {
    const s = substitutes.en;
    chat.takes = false;
    const id = await ask('suzuki', 'only look');
    const { page, close } = await browsers.seat('sato', '/alerts', 'en');
    await eventually(async () => (await page.request.get('/api/v1/approval-notices')).text(), (told) => told.includes(id));
    await page.reload();
    const card = page.getByRole('region', { name: s.notTold('chat') }).filter({ has: page.getByTitle(id) });
    const button = card.getByRole('button', { name: s.retry });
    await button.waitFor();
    assert.equal(await button.getAttribute('aria-disabled'), 'true');
    chat.takes = true;
    await close();
  });
});

describe('while an approver is away', () => {
  test('somebody stands in, until that is ended', async () => {
    const t = TEXTS.ja;
    const s = substitutes.ja;
    const { page, close } = await browsers.seat('ito', '/approvals?tab=substitutes', 'ja');
    await page.getByText(s.none).waitFor();
    await page.getByLabel(s.person).fill('tanaka');
    await page.getByLabel(s.until).fill(await page.getByLabel(s.from).inputValue());
    await page.getByRole('button', { name: s.name }).click();
    await page.getByText(s.named).waitFor();
    await page.getByRole('table', { name: s.mine }).waitFor();
    await assertAccessible(page, 'substitutes');
    await assertFits(page, 'substitutes');
    await picture(page, 'substitutes-ja');
    const id = await ask('suzuki', 'stand in');
    const other = await browsers.seat('tanaka', `/approvals?open=${id}`, 'ja');
    const drawer = other.page.getByRole('dialog');
    await drawer.getByRole('button', { name: t.approvals.ways.approve }).click();
    await drawer.getByRole('button', { name: t.approvals.confirm.approve, exact: true }).click();
    await other.page.getByText(t.approvals.did.approve).waitFor();
    await other.page.goto(`${gate.url}/ui/approvals?tab=substitutes`);
    await other.page.getByRole('table', { name: s.others }).getByText('伊藤 恵子').waitFor();
    await other.close();
    await page.getByRole('button', { name: s.end, exact: true }).click();
    await page.getByRole('dialog', { name: s.endTitle }).getByRole('button', { name: s.end, exact: true }).click();
    await page.getByText(s.none).waitFor();
    await close();
  });
});

/** Tries the REST API itself, past what the page offers. */
async function approveBy(name: PersonName, id: string): Promise<number> {
  const { page, close } = await browsers.seat(name, '/approvals', 'ja');
  const status = (await page.evaluate(`(async () => {
    const me = await (await fetch('/api/v1/me')).json();
    const seen = await (await fetch('/api/v1/approval-requests/${id}')).json();
    const answer = await fetch('/api/v1/approval-requests/${id}/approve', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-sekimori-csrf': me.csrf_token },
      body: JSON.stringify({ arguments_digest: seen.arguments_digest }),
    });
    return answer.status;
  })()`)) as number;
  await close();
  return status;
}

describe('who may not decide', () => {
  test('who asked for it, even as an approver', async () => {
    const t = TEXTS.ja;
    const id = await ask('ito', 'my own');
    const { page, close } = await browsers.seat('ito', `/approvals?tab=mine&open=${id}`, 'ja');
    const drawer = page.getByRole('dialog');
    await drawer.getByText(t.approvals.whyNot.approval_own_request ?? '').waitFor();
    assert(await drawer.getByRole('button', { name: t.approvals.ways.approve }).isDisabled());
    await picture(page, 'approval-own-ja');
    assert.equal(await approveBy('ito', id), 403);
    await drawer.getByRole('button', { name: t.approvals.ways.cancel }).click();
    await drawer.getByRole('button', { name: t.approvals.confirm.cancel, exact: true }).click();
    await page.getByText(t.approvals.did.cancel).waitFor();
    await close();
  });

  test('who may only look, and then without the arguments', async () => {
    const t = TEXTS.ja;
    const id = await ask('suzuki', 'look at me');
    const { page, close } = await browsers.seat('sato', `/approvals?open=${id}`, 'ja');
    const drawer = page.getByRole('dialog');
    await drawer.getByText(t.approvals.whyNot.approval_not_an_approver ?? '').waitFor();
    assert(await drawer.getByRole('button', { name: t.approvals.ways.approve }).isDisabled());
    assert.equal(await approveBy('sato', id), 403);
    await close();
  });
});
