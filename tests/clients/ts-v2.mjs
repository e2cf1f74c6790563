// The official TypeScript client, version 2, in the era that the command line names.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { ANSWER, Steps, check, options, takeAll } from './steps.mjs';

const { url, headers, era, tool } = options();
const steps = new Steps('typescript-v2');
const mode = era === 'modern' ? { pin: '2026-07-28' } : era;
const client = new Client(
  { name: 'sekimori-test-ts-v2', version: '2.0.0' },
  { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode } },
);
const asked = [];
client.setRequestHandler('elicitation/create', async (request) => {
  asked.push(request.params);
  return ANSWER;
});

await steps.take('connect', async () => {
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  const version = client.getNegotiatedProtocolVersion();
  check(era === 'auto' || (version >= '2026-07-28') === (era === 'modern'), `agreed on ${version}`);
  return version;
});

if (!steps.failed) {
  await takeAll(steps, {
    list: async () => (await client.listTools()).tools,
    call: (name, args, extra) => client.callTool({ name, arguments: args }, extra),
    tool,
    asked,
  });
  await client.close();
}
steps.exit();
