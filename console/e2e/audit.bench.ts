// How the audit screen scrolls and filters over many records: not a test, run by hand.
//   SEKIMORI_TEST_BINARIES=target/release node console/e2e/audit.bench.ts 100000

import { TEXTS, Browsers } from './browser.ts';
import { Gate } from './gate.ts';

const RECORDS = Number(process.argv[2] ?? 100_000);
const AT_ONCE = 64;
/** A frame at 60 Hz takes 17 ms; two that were missed are seen. */
const JANK_MS = 50;
const SCROLL_MS_MAX = 180_000;
const ROW_PX = 44;

const gate = await Gate.start();
try {
  const began = performance.now();
  let left = RECORDS;
  const caller = async () => {
    while (left-- > 0) await gate.call('crm__test_echo', { message: `call ${left}` });
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  console.log(`${RECORDS} calls on record after ${Math.round((performance.now() - began) / 1000)} s`);

  const browsers = await Browsers.start(gate);
  const { page } = await browsers.seat('sato', '/audit', 'en');
  const rows = page.getByRole('table', { name: TEXTS.en.places.audit }).getByRole('row');
  await rows.nth(2).waitFor();
  // One screen each frame, as fast as anybody scrolls; the list asks for further pages by itself, until all are there.
  const scrolled = (await page.evaluate(`(async () => {
    const list = document.querySelector('.listing-scroller');
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const took = [];
    const ends = performance.now() + ${SCROLL_MS_MAX};
    let before = await frame();
    while (performance.now() < ends && list.scrollHeight < ${RECORDS} * ${ROW_PX}) {
      list.scrollTop += list.clientHeight;
      const now = await frame();
      took.push(now - before);
      before = now;
    }
    return { took, rows: document.querySelectorAll('[role=row]').length, height: list.scrollHeight };
  })()`)) as { took: number[]; rows: number; height: number };
  const sorted = [...scrolled.took].sort((one, other) => one - other);
  const at = (part: number) => Math.round(sorted[Math.floor((sorted.length - 1) * part)] ?? 0);
  const slow = scrolled.took.filter((one) => one > JANK_MS).length;
  console.log(
    `scrolled over ${Math.floor(scrolled.height / ROW_PX)} records in ${scrolled.took.length} frames: ` +
      `p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms; ${slow} over ${JANK_MS} ms; ` +
      `${scrolled.rows} rows in the document`,
  );
  for (const [what, query] of [
    ['outcome=refused', '/audit?outcome=refused'],
    ['tool', '/audit?tool=test_echo'],
    ['full text', '/audit?text=test_echo'],
  ] as const) {
    const asked = performance.now();
    await page.goto(`${gate.url}/ui${query}`);
    await page.getByRole('status', { name: TEXTS.en.common.loading }).first().waitFor({ state: 'detached' });
    await page.getByRole('table', { name: TEXTS.en.places.audit }).or(page.getByText(TEXTS.en.audit.none)).first().waitFor();
    console.log(`filter ${what}: whole screen after ${Math.round(performance.now() - asked)} ms`);
  }
  await browsers.stop();
} finally {
  await gate.stop();
}
