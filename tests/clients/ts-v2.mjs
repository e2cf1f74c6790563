// The official TypeScript client, version 2, in the era that the command line names.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { Application, Provider } from './application.mjs';
import { ANSWER, Steps, check, options, takeAll, takeFirst } from './steps.mjs';

const { url, headers, era, tool, authorize, clientId, callbackPort } = options();
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

const provider = authorize && new Provider(await Application.listen(callbackPort), clientId);
const transport = () =>
  new StreamableHTTPClientTransport(url, provider ? { authProvider: provider } : { requestInit: { headers } });

await steps.take('connect', async () => {
  const first = transport();
  await client.connect(first).catch(async (error) => {
    if (!(provider && error instanceof UnauthorizedError)) throw error;
    await first.finishAuth(await provider.answer());
    await client.connect(transport());
  });
  const version = client.getNegotiatedProtocolVersion();
  check(era === 'auto' || (version >= '2026-07-28') === (era === 'modern'), `agreed on ${version}`);
  return version;
});

if (!steps.failed) {
  await (authorize ? takeFirst : takeAll)(steps, {
    list: async () => (await client.listTools()).tools,
    call: (name, args, extra) => client.callTool({ name, arguments: args }, extra),
    tool,
    asked,
  });
  await client.close();
}
steps.exit();
