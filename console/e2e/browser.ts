// People in front of Debian's Chromium.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
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

  /** Somebody's session does not count any more. */
  forget(name: PersonName): void {
    this.#signedIn.delete(name);
  }
}

/** No finding of axe that is critical or serious. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  await page.evaluate(AXE);
  const violations = (await page.evaluate(
    // biome-ignore lint/security/noGlobalEval: runs in the page
    'axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations)',
  )) as Violation[];
  const grave = violations.filter((one) => one.impact === 'critical' || one.impact === 'serious');
  const told = grave.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.html}\n${node.failureSummary}`).join('\n')}`);
  assert.equal(grave.length, 0, `${what}\n${told.join('\n')}`);
}

/** Nothing sticks out to the side. */
export async function assertFits(page: Page, what: string): Promise<void> {
  const [content, window] = (await page.evaluate(
    '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
  )) as [number, number];
  assert(content <= window, `${what} is ${content} px wide in a window of ${window} px`);
}

export async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES) await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}
