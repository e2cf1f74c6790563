// The official TypeScript client, version 1, which speaks revisions up to 2025-11-25.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { ANSWER, Steps, options, takeAll } from './steps.mjs';

const { url, headers, tool } = options();
const steps = new Steps('typescript-v1');
const client = new Client(
  { name: 'sekimori-test-ts-v1', version: '1.0.0' },
  { capabilities: { elicitation: {} } },
);
const asked = [];
client.setRequestHandler(ElicitRequestSchema, async (request) => {
  asked.push(request.params);
  return ANSWER;
});

await steps.take('connect', async () => {
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  return client.getServerVersion()?.name;
});

if (!steps.failed) {
  await takeAll(steps, {
    list: async () => {
      const tools = [];
      let cursor;
      do {
        const page = await client.listTools({ cursor });
        tools.push(...page.tools);
        cursor = page.nextCursor;
      } while (cursor !== undefined);
      return tools;
    },
    call: (name, args, extra) =>
      client.callTool({ name, arguments: args }, CallToolResultSchema, extra),
    tool,
    asked,
  });
  await client.close();
}
steps.exit();
