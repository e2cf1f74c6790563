// The official TypeScript client, version 1, which speaks revisions up to 2025-11-25.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Application, Provider } from './application.mjs';
import { ANSWER, Steps, options, takeAll, takeFirst } from './steps.mjs';

const { url, headers, tool, authorize, clientId, callbackPort } = options();
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

const provider = authorize && new Provider(await Application.listen(callbackPort), clientId);
const transport = () =>
  new StreamableHTTPClientTransport(url, provider ? { authProvider: provider } : { requestInit: { headers } });

await steps.take('connect', async () => {
  const first = transport();
  await client.connect(first).catch(async (error) => {
    if (!(provider && error instanceof UnauthorizedError)) throw error;
    await first.finishAuth((await provider.answer()).get('code'));
    await client.connect(transport());
  });
  return client.getServerVersion()?.name;
});

if (!steps.failed) {
  await (authorize ? takeFirst : takeAll)(steps, {
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
