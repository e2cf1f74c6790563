// The real gate, with systems behind it, people before it, and calls on record.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BINARIES = process.env.SEKIMORI_TEST_BINARIES ?? '../target/debug';
const START_MS = 30_000;

/** Who can sign in. The names are also what their buttons are found by. */
export const PEOPLE = [
  { name: 'yamada', title: '山田 太郎（管理者）', display: '山田 太郎', groups: ['it'], department: '情報システム部' },
  { name: 'kato', title: '加藤 次郎（管理者・一要素）', display: '加藤 次郎', groups: ['it'], mfa: false },
  { name: 'sato', title: '佐藤 花子（監査）', display: '佐藤 花子', groups: ['audit'], department: '内部監査室' },
  { name: 'tanaka', title: '田中 三郎（管理者・セキュリティ）', display: '田中 三郎', groups: ['it', 'security'] },
  { name: 'ito', title: '伊藤 恵子（承認者）', display: '伊藤 恵子', groups: ['managers', 'staff'], department: '経理部' },
  { name: 'suzuki', title: '鈴木 一郎（一般）', display: '鈴木 一郎', groups: ['staff'], department: '営業部' },
];

export type PersonName = 'yamada' | 'kato' | 'sato' | 'tanaka' | 'ito' | 'suzuki';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Starts a program that says in a line of JSON on standard output where it listens. */
async function start(program: string, args: string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${program} did not start`)), START_MS);
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk;
      const line = text.split('\n').find((one) => one.startsWith('{') && one.includes('"url"'));
      if (line) {
        clearTimeout(timer);
        resolve((JSON.parse(line) as { url: string }).url);
      }
    });
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}`)));
  });
  return { child, url };
}

export class Gate {
  readonly url: string;
  readonly #folder: string;
  readonly #children: ChildProcess[];
  #key = '';

  private constructor(url: string, folder: string, children: ChildProcess[]) {
    this.url = url;
    this.#folder = folder;
    this.#children = children;
  }

  /** Starts a gate; what is still to be set up by command comes before it serves. More settings go as TOML. */
  static async start(prepare?: (gate: Gate) => void, settings = ''): Promise<Gate> {
    const folder = mkdtempSync(join(tmpdir(), 'sekimori-console-'));
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const told = { redirect_uris: [`${url}/sign-in/oidc/demo/callback`], people: PEOPLE };
    const idp = await start(process.execPath, [new URL('idp.mjs', import.meta.url).pathname, JSON.stringify(told)]);
    const gate = new Gate(url, folder, [idp.child]);
    writeFileSync(join(folder, 'sekimori.toml'), configuration(port, idp.url) + settings);
    try {
      await gate.#serve(prepare);
    } catch (error) {
      await gate.stop();
      throw error;
    }
    return gate;
  }

  async #serve(prepare?: (gate: Gate) => void): Promise<void> {
    this.connect('crm', '顧客管理');
    this.sekimori('connector', 'add', 'archive', '--title', '文書保管庫', '--http', 'http://127.0.0.1:9/mcp', '--allow-private-network');
    this.sekimori('tool', 'classify', 'crm', 'test_echo', '--class', 'read');
    const key = JSON.parse(
      this.sekimori('key', 'create', 'nightly', '--owner', 'yamada', '--purpose', '夜間バッチ', '--group', 'employee', '--json'),
    ) as { key: string };
    this.#key = key.key;
    prepare?.(this);
    const serve = ['serve', '--config', join(this.#folder, 'sekimori.toml')];
    const served = await start(join(BINARIES, 'sekimori'), serve);
    this.#children.unshift(served.child);
  }

  /** Starts a system that is not behind the gate yet, and returns its address. */
  async system(): Promise<string> {
    const { child, url } = await start(join(BINARIES, 'sekimori-fixture'), []);
    this.#children.push(child);
    return url;
  }

  /** Runs a command of the gate and returns what it printed. */
  sekimori(...args: string[]): string {
    const config = join(this.#folder, 'sekimori.toml');
    return execFileSync(join(BINARIES, 'sekimori'), [...args, '--config', config], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** Puts a system of its own behind the gate. */
  connect(name: string, title: string): void {
    this.sekimori('connector', 'add', name, '--title', title, '--stdio', join(BINARIES, 'sekimori-fixture'), '--arg=--stdio');
    this.sekimori('tool', 'list', name, '--refresh');
  }

  /** Puts a system behind the gate whose tools are in the file `<name>.json`. */
  serve(name: string, title: string, tools: object[], ...settings: string[]): void {
    const file = this.file(`${name}.json`, JSON.stringify(tools));
    const shop = new URL('shop.mjs', import.meta.url).pathname;
    const program = ['--stdio', process.execPath, `--arg=${shop}`, `--arg=${file}`];
    this.sekimori('connector', 'add', name, '--title', title, ...program, ...settings);
    this.sekimori('tool', 'list', name, '--refresh');
  }

  /** Writes a file for a command, and returns where it is. */
  file(name: string, text: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, text);
    return path;
  }

  /** Calls a tool as MCP clients do since 2026-07-28: with the service account's key, or somebody's token. */
  async call(tool: string, args: object, token = this.#key): Promise<string> {
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'e2e', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const response = await fetch(`${this.url}/mcp`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': tool,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: args, _meta: meta } }),
    });
    return response.text();
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode === null) {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await ended;
      }
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function configuration(port: number, issuer: string): string {
  return `[server]
listen = "127.0.0.1:${port}"
operations_listen = "127.0.0.1:0"
data_dir = "data"
drain_seconds = 1

[identity]
administrators_group = "it"

[identity.authorization_server]
enabled = true

[connectors]
api_programs = ["mcp-server-git"]

[[identity.roles]]
name = "sekimori-auditor"
groups = ["audit"]

[[identity.roles]]
name = "sekimori-security"
groups = ["security"]

[[identity.roles]]
name = "sekimori-approver"
groups = ["managers"]

[[identity.roles]]
name = "employee"
groups = ["staff"]

[[identity.providers]]
name = "demo"
title = "デモ会社"
kind = "oidc"
issuer = "${issuer}"
client_id = "gate"
client_secret = { value = "only-for-tests" }
scopes = ["profile", "email", "groups"]
provisioning = "just_in_time"
allow_private_network = true
groups = { attribute = "groups", others = true }
attributes = { department = "department" }
`;
}
