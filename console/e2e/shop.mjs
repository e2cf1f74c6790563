// A small MCP server over standard input and output. Its tools are in the file that its argument names, which
// may change: as systems do that say something else of themselves one day. A tool that has an `answer` gives it; any
// other says what it was called with.

import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const known = () => JSON.parse(readFileSync(process.argv[2], 'utf8'));

const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'shop', version: '1' },
  }),
  'tools/list': () => ({ tools: known().map(({ answer, ...tool }) => tool) }),
  'tools/call': ({ name, arguments: given }) => {
    const structuredContent = known().find((tool) => tool.name === name)?.answer ?? given;
    return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
  },
  ping: () => ({}),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) continue;
  const answer = answers[method];
  const told = answer ? { result: answer(params) } : { error: { code: -32601, message: 'unknown method' } };
  console.log(JSON.stringify({ jsonrpc: '2.0', id, ...told }));
}
