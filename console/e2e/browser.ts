// People in front of Debian's Chromium.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { en } from '../src/i18n/en.ts';
import { ja } from '../src/i18n/ja.ts';
import { type Gate, PEOPLE, type PersonName } from './gate.ts';

export const TEXTS = { ja, en };
export type Language = keyof typeof TEXTS;
const LOCALES = { ja: 'ja-JP', en: 'en-GB' };
const PROGRAM = process.env.SEKIMORI_TEST_CHROMIUM ?? '/usr/bin/chromium';
/** Where pictures of all screens go, if anybody wants to look at them. */
const PICTURES = process.env.SEKIMORI_TEST_PICTURES;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

type State = Awaited<ReturnType<BrowserContext['storageState']>>;

interface Violation {
  id: string;
  impact?: string;
  nodes: { html: string; failureSummary?: string }[];
}

export interface Seat {
  page: Page;
  /** What the page complained about: errors of scripts and of the content policy. */
  complaints: string[];
  close: () => Promise<void>;
}

export class Browsers {
  readonly #gate: Gate;
  readonly #browser: Browser;
  readonly #signedIn = new Map<PersonName, State>();

  private constructor(gate: Gate, browser: Browser) {
    this.#gate = gate;
    this.#browser = browser;
  }

  static async start(gate: Gate): Promise<Browsers> {
    const browser = await chromium.launch({ executablePath: PROGRAM, args: ['--no-sandbox', '--disable-gpu'] });
    return new Browsers(gate, browser);
  }

  async stop(): Promise<void> {
    await this.#browser.close();
  }

  /** Seats somebody in front of a page of the console, signed in with the company account. */
  async seat(name: PersonName, path: string, language: Language, options: BrowserContextOptions = {}): Promise<Seat> {
    const state = this.#signedIn.get(name);
    const context = await this.#browser.newContext({
      baseURL: this.#gate.url,
      locale: LOCALES[language],
      timezoneId: 'America/New_York',
      viewport: { width: 1280, height: 800 },
      reducedMotion: 'reduce',
      ...(state ? { storageState: state } : {}),
      ...options,
    });
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (/Content.Security.Policy|Uncaught/i.test(message.text())) complaints.push(message.text());
    });
    await page.goto(`/ui${path}`);
    if (!state) {
      await this.#signIn(page, name);
      this.#signedIn.set(name, await context.storageState());
      await page.waitForURL(`**/ui${path}`);
    }
    return { page, complaints, close: () => context.close() };
  }

  async #signIn(page: Page, name: PersonName): Promise<void> {
    await page.waitForURL('**/sign-in?txn=console');
    await page.getByRole('link', { name: /デモ会社/ }).click();
    const person = PEOPLE.find((one) => one.name === name);
    assert(person);
    await page.getByRole('button', { name: person.title }).click();
  }

  /** A token with which an AI client acts for somebody, who lets it in on the gate's page. */
  async token(name: PersonName): Promise<string> {
    const back = 'http://127.0.0.1:9/back';
    const client = JSON.parse(this.#gate.sekimori('client', 'add', 'e2e', '--redirect', back, '--json')) as { id: string };
    const verifier = randomBytes(32).toString('base64url');
    const asked = new URLSearchParams({
      response_type: 'code',
      client_id: client.id,
      redirect_uri: back,
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
      resource: `${this.#gate.url}/mcp`,
      scope: 'mcp:read mcp:write',
      state: 'e2e',
    });
    const { page, close } = await this.seat(name, '/', 'en');
    await page.goto(`${this.#gate.url}/authorize?${asked}`);
    const sentBack = page.waitForRequest((request) => request.url().startsWith(back));
    await page.locator('button[value=allow]').click({ noWaitAfter: true });
    const code = new URL((await sentBack).url()).searchParams.get('code');
    await close();
    assert(code);
    const form = { grant_type: 'authorization_code', code, redirect_uri: back, client_id: client.id, code_verifier: verifier };
    const answer = await fetch(`${this.#gate.url}/token`, {
      method: 'POST',
      body: new URLSearchParams({ ...form, resource: `${this.#gate.url}/mcp` }),
    });
    const issued = (await answer.json()) as { access_token?: string };
    assert(issued.access_token, JSON.stringify(issued));
    return issued.access_token;
  }

  /** Somebody's session does not count any more. */
  forget(name: PersonName): void {
    this.#signedIn.delete(name);
  }
}

/** Asks until the answer is as it should be. */
export async function eventually<T>(ask: () => Promise<T>, holds: (one: T) => boolean): Promise<T> {
  const end = Date.now() + 15_000;
  for (;;) {
    const one = await ask();
    if (holds(one)) return one;
    assert(Date.now() < end, `still ${one}`);
    await pause(100);
  }
}

/** No finding of axe that is critical or serious. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  await page.evaluate(AXE);
  const violations = (await page.evaluate(
    'axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations)',
  )) as Violation[];
  const grave = violations.filter((one) => one.impact === 'critical' || one.impact === 'serious');
  const told = grave.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.html}\n${node.failureSummary}`).join('\n')}`);
  assert.equal(grave.length, 0, `${what}\n${told.join('\n')}`);
}

/** Nothing sticks out to the side, once the page is laid out. */
export async function assertFits(page: Page, what: string): Promise<void> {
  const widths = '[document.documentElement.scrollWidth, document.documentElement.clientWidth]';
  const end = Date.now() + 5_000;
  for (;;) {
    const [content, window] = (await page.evaluate(widths)) as [number, number];
    if (content <= window) return;
    assert(Date.now() < end, `${what} is ${content} px wide in a window of ${window} px`);
    await page.waitForTimeout(50);
  }
}

/** Looks at a screen in light, dark and on a phone. */
export async function look(browsers: Browsers, who: PersonName, path: string, language: Language, what: string): Promise<void> {
  const { page, complaints, close } = await browsers.seat(who, path, language);
  await page.getByRole('heading', { level: 1 }).waitFor();
  // Several parts of a screen may be loading: none is left once the first of them cannot be found.
  await page.getByRole('status', { name: TEXTS[language].common.loading }).first().waitFor({ state: 'detached' });
  await assertAccessible(page, what);
  await assertFits(page, what);
  await picture(page, `${what}-${language}`);
  await page.emulateMedia({ colorScheme: 'dark' });
  await assertAccessible(page, `${what}, dark`);
  await picture(page, `${what}-${language}-dark`);
  await page.setViewportSize({ width: 390, height: 844 });
  await assertFits(page, `${what} on a phone`);
  await page.evaluate('Promise.all(document.getAnimations().map((one) => one.finished))');
  await picture(page, `${what}-${language}-phone`);
  assert.deepEqual(complaints, []);
  await close();
}

export async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}
