// The steps that every client takes, and how it reports them: one JSON line per step.
//
// Usage of each script: SCRIPT URL [--token TOKEN] [--prefix PREFIX] [--era legacy|auto|modern]
//                       [--authorize [--client-id ID --callback-port PORT]] [--waits]
// The prefix stands before the names of the fixture's tools, such as `fixture__` behind a gateway.
// With `--authorize` the client finds out by itself how to get in, and takes the first steps only; see
// `application.mjs`. Without a client id it registers itself.
// With `--waits` it makes one call, which people must agree to meanwhile.
// The exit code is 1 if a step failed and 2 if the script was called wrongly.

import { parseArgs } from 'node:util';

const STEP_TIMEOUT_MS = 30_000;

/** Reads the command line. */
export function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      token: { type: 'string' },
      prefix: { type: 'string', default: '' },
      era: { type: 'string', default: 'legacy' },
      authorize: { type: 'boolean', default: false },
      waits: { type: 'boolean', default: false },
      'client-id': { type: 'string' },
      'callback-port': { type: 'string', default: '0' },
    },
  });
  const eras = ['legacy', 'auto', 'modern'];
  if (positionals.length !== 1 || !eras.includes(values.era)) {
    console.error('usage: SCRIPT URL [--token TOKEN] [--prefix PREFIX] [--era legacy|auto|modern]');
    process.exit(2);
  }
  const headers = values.token ? { Authorization: `Bearer ${values.token}` } : {};
  return {
    url: new URL(positionals[0]),
    headers,
    era: values.era,
    authorize: values.authorize,
    waits: values.waits,
    clientId: values['client-id'],
    callbackPort: Number(values['callback-port']),
    tool: (name) => `${values.prefix}${name}`,
  };
}

/** Takes steps one after the other and prints how each went. */
export class Steps {
  constructor(client) {
    this.client = client;
    this.failed = false;
  }

  #print(line) {
    console.log(JSON.stringify({ client: this.client, ...line }));
  }

  /** Runs `action`, whose result is the detail; an exception fails the step. */
  async take(step, action) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('took too long')), STEP_TIMEOUT_MS);
    });
    try {
      const detail = await Promise.race([action(), late]);
      this.#print({ step, ok: true, detail });
    } catch (error) {
      this.failed = true;
      this.#print({ step, ok: false, detail: String(error?.message ?? error) });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Says that the client has no means for a step. */
  skip(step, reason) {
    this.#print({ step, skipped: reason });
  }

  exit() {
    process.exit(this.failed ? 1 : 0);
  }
}

/** Fails the step unless `condition` holds. */
export function check(condition, what) {
  if (!condition) throw new Error(what);
}

/** The first text in a tool's result. */
export function text(result) {
  const block = result.content?.find((content) => content.type === 'text');
  check(block, `no text in ${JSON.stringify(result)}`);
  return block.text;
}

/** The user's answer to the fixture's form. */
export const ANSWER = { action: 'accept', content: { username: 'ada', email: 'ada@example.com' } };

/** The first steps of a client of the TypeScript SDK: those that need nothing but to be let in. */
export async function takeFirst(steps, { list, call, tool }) {
  await steps.take('list', async () => {
    const tools = await list();
    const names = tools.map((each) => each.name);
    check(names.includes(tool('test_simple_text')), `not in the list: ${names.join(', ')}`);
    return `${names.length} tools`;
  });

  await steps.take('call', async () => {
    const answer = text(await call(tool('test_simple_text'), {}));
    check(answer === 'This is a simple text response for testing.', answer);
    return answer;
  });
}

/**
 * The steps of a client of the TypeScript SDK, which both major versions take in the same way.
 * `call(name, args, options)` calls a tool.
 */
export async function takeAll(steps, { list, call, tool, asked }) {
  await takeFirst(steps, { list, call, tool });

  await steps.take('error', async () => {
    const failed = await call(tool('test_error_handling'), {});
    check(failed.isError === true, 'the tool did not fail');
    const unknown = await call(tool('no_such_tool'), {}).then(
      (result) => (result.isError ? text(result) : undefined),
      (error) => error.message,
    );
    check(unknown, 'an unknown tool was called');
    return `${text(failed)}; ${unknown}`;
  });

  await steps.take('cancel', async () => {
    const before = Number(text(await call(tool('test_cancelled_calls'), {})));
    const controller = new AbortController();
    const cancelled = call(
      tool('test_wait'),
      { seconds: 600 },
      { signal: controller.signal, onprogress: () => controller.abort('no longer wanted') },
    ).then(
      () => 'the call ended by itself',
      () => undefined,
    );
    const wrong = await cancelled;
    check(wrong === undefined, wrong);
    let after = before;
    while (after === before) {
      after = Number(text(await call(tool('test_cancelled_calls'), {})));
    }
    return `the tool was cancelled ${after - before} time`;
  });

  await steps.take('progress', async () => {
    const seen = [];
    await call(tool('test_tool_with_progress'), {}, { onprogress: ({ progress }) => seen.push(progress) });
    check(seen.join() === '0,50,100', `progress was ${seen.join()}`);
    return seen.join();
  });

  await steps.take('elicitation', async () => {
    const answer = text(await call(tool('test_elicitation'), { message: 'Who are you?' }));
    check(asked.length === 1, `asked ${asked.length} times`);
    check(asked[0].message.includes('Who are you?'), `asked: ${asked[0].message}`);
    check(answer.includes('action=accept') && answer.includes('ada@example.com'), answer);
    return answer;
  });
}
