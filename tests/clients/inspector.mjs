// The Inspector's command line, which starts anew for every step.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { Steps, check, options, text } from './steps.mjs';

const { url, headers, era, tool, authorize, waits, clientId, callbackPort } = options();
const steps = new Steps('inspector');
const TOOL_FAILED = 5;
/** How it asks for the browser. */
const PLEASE = /navigate to: (\S+)\n/;

const require = createRequire(import.meta.url);
const folder = path.dirname(require.resolve('@modelcontextprotocol/inspector/package.json'));
const launcher = path.join(folder, 'clients/launcher/build/index.js');
// What it keeps from one start to the next: with `--authorize`, its tokens.
const home = mkdtempSync(path.join(os.tmpdir(), 'inspector-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));

/** Runs the Inspector and returns its exit code and what it printed. */
function inspect(...args) {
  const all = ['--cli', url.href, '--transport', 'http', '--protocol-era', era];
  all.push('--format', 'json', '--quiet');
  if (authorize) {
    all.push('--callback-url', `http://127.0.0.1:${callbackPort}/callback`);
    if (clientId) all.push('--client-id', clientId);
  } else {
    all.push('--stored-auth-only');
  }
  for (const [name, value] of Object.entries(headers)) all.push('--header', `${name}: ${value}`);
  const env = { ...process.env, HOME: home, MCP_INSPECTOR_SECRET_STORE: authorize ? 'file' : 'memory' };
  // It logs in without a terminal only if it may open the browser, which is `true` here.
  if (authorize) Object.assign(env, { MCP_AUTO_OPEN_ENABLED: 'true', BROWSER: 'true' });
  // The launcher starts `node` by name: it has to be the one that runs this script.
  env.PATH = `${path.dirname(process.execPath)}${path.delimiter}${env.PATH}`;
  const child = spawn(process.execPath, [launcher, ...all, ...args], { env });
  let out = '';
  let err = '';
  child.stdout.on('data', (data) => (out += data));
  child.stderr.on('data', (data) => {
    const before = PLEASE.exec(err);
    err += data;
    const asked = PLEASE.exec(err);
    if (asked && !before) console.log(JSON.stringify({ open: asked[1] }));
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

function call(name, args = {}) {
  return inspect(
    '--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args),
  );
}

if (waits) {
  await steps.take('wait', async () => {
    const { code, out, err } = await call(tool('test_simple_text'));
    check(code === 0, `exit code ${code}: ${out}${err}`);
    return text(JSON.parse(out).result);
  });
  steps.exit();
}

await steps.take('list', async () => {
  const { code, out, err } = await inspect('--method', 'tools/list');
  check(code === 0, `exit code ${code}: ${err}`);
  const names = JSON.parse(out).result.tools.map((each) => each.name);
  check(names.includes(tool('test_simple_text')), `not in the list: ${names.join(', ')}`);
  return `${names.length} tools`;
});

await steps.take('call', async () => {
  const { code, out, err } = await call(tool('test_simple_text'));
  check(code === 0, `exit code ${code}: ${err}`);
  return text(JSON.parse(out).result);
});

if (authorize) steps.exit();

await steps.take('error', async () => {
  const { code, out, err } = await call(tool('test_error_handling'));
  check(code === TOOL_FAILED, `exit code ${code}: ${out}${err}`);
  const unknown = await call(tool('no_such_tool'));
  check(unknown.code === TOOL_FAILED, `exit code ${unknown.code}: ${unknown.err}`);
  return `exit code ${code}`;
});

steps.skip('cancel', 'the command line cannot cancel a call');
steps.skip('progress', 'the command line shows no progress');
steps.skip('elicitation', 'the command line cannot answer a question');
steps.exit();
