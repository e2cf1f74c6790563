// A small OpenID provider for the console's tests and for the demo: whoever signs in chooses who they are.
// Its argument tells the gate's redirect URIs and the people; it prints its address when it listens.
//
// It proves nothing about anybody and must never stand before a real gate.

import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { createServer } from 'node:http';

const CLIENT = { id: 'gate', secret: 'only-for-tests' };
const CODE_LIFE_MS = 60_000;

const { redirect_uris: redirects, people, port = 0 } = JSON.parse(process.argv[2] ?? '{}');
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const kid = randomBytes(8).toString('hex');
const codes = new Map();

const base64 = (value) => Buffer.from(value).toString('base64url');
const escaped = (text) => String(text).replace(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);

function token(claims) {
  const head = base64(JSON.stringify({ alg: 'ES256', typ: 'JWT', kid }));
  const body = base64(JSON.stringify(claims));
  const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${head}.${body}.${signature.toString('base64url')}`;
}

/** The page on which somebody says who they are. */
function choose(query) {
  const buttons = people.map((person) => {
    const hidden = [...query].map(
      ([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`,
    );
    return `<form method="post" action="/choose">${hidden.join('')}<button name="person" value="${escaped(person.name)}">${escaped(person.title)}</button></form>`;
  });
  return `<!doctype html><html lang="ja"><meta charset="utf-8"><title>Demo company</title>
<style>body{font:1rem/1.6 system-ui;margin:3rem auto;max-width:30rem}button{width:100%;padding:.7rem;margin:.3rem 0;font:inherit}</style>
<h1>デモ会社 / Demo company</h1><p>誰としてサインインしますか？ Who are you?</p>${buttons.join('')}</html>`;
}

function begin(query) {
  const redirect = query.get('redirect_uri');
  if (query.get('client_id') !== CLIENT.id || !redirects.includes(redirect)) return null;
  const code = randomBytes(16).toString('hex');
  codes.set(code, { query, until: Date.now() + CODE_LIFE_MS, person: query.get('person') });
  const back = new URL(redirect);
  back.searchParams.set('code', code);
  back.searchParams.set('state', query.get('state') ?? '');
  back.searchParams.set('iss', issuer);
  return back.href;
}

function redeem(form, authorization) {
  const [, basic = ''] = /^Basic (.+)$/.exec(authorization ?? '') ?? [];
  const [id, secret] = Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent);
  const issued = codes.get(form.get('code'));
  codes.delete(form.get('code'));
  const challenge = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
  const known = id === CLIENT.id && secret === CLIENT.secret;
  if (!known || !issued || issued.until < Date.now() || issued.query.get('code_challenge') !== challenge) {
    return null;
  }
  const person = people.find((one) => one.name === issued.person);
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer,
    sub: person.name,
    aud: CLIENT.id,
    iat: now,
    exp: now + 300,
    auth_time: now,
    nonce: issued.query.get('nonce') ?? undefined,
    amr: person.mfa === false ? ['pwd'] : ['pwd', 'mfa'],
    name: person.display ?? person.title,
    preferred_username: person.name,
    email: `${person.name}@example.co.jp`,
    groups: person.groups,
    department: person.department,
  };
  return { access_token: randomBytes(16).toString('hex'), token_type: 'Bearer', expires_in: 300, id_token: token(claims) };
}

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return new URLSearchParams(text);
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, issuer);
  const json = (status, value) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  if (url.pathname === '/.well-known/openid-configuration') {
    json(200, {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['client_secret_basic'],
      authorization_response_iss_parameter_supported: true,
    });
  } else if (url.pathname === '/jwks') {
    json(200, { keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' }] });
  } else if (url.pathname === '/authorize') {
    response.writeHead(200, { 'content-type': 'text/html' }).end(choose(url.searchParams));
  } else if (url.pathname === '/choose' && request.method === 'POST') {
    const back = begin(await body(request));
    if (back) response.writeHead(303, { location: back }).end();
    else json(400, { error: 'invalid_request' });
  } else if (url.pathname === '/token' && request.method === 'POST') {
    const issued = redeem(await body(request), request.headers.authorization);
    if (issued) json(200, issued);
    else json(400, { error: 'invalid_grant' });
  } else {
    json(404, { error: 'not_found' });
  }
});

let issuer = 'http://127.0.0.1';
server.listen(port, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  console.log(JSON.stringify({ url: issuer }));
});
