// The one way to the gate: typed by its OpenAPI document, with the session of the browser.

import createClient, { type Middleware } from 'openapi-fetch';
import type { components, paths } from './schema.d.ts';

export type Schemas = components['schemas'];
export type Me = Schemas['MeView'];
export type Page<T> = { items: T[]; next_cursor?: string | null };

/** What the gate answers when it does not do something (RFC 9457). */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly correlation: string | undefined;
  readonly flaws: Schemas['Flaw'][];

  constructor(status: number, body: Partial<Schemas['Problem']> | undefined) {
    super(body?.detail ?? `HTTP ${status}`);
    this.status = status;
    this.code = body?.code ?? 'unknown';
    this.correlation = body?.correlation ?? undefined;
    this.flaws = body?.errors ?? [];
  }
}

let csrfToken: string | undefined;

/** Changes carry what only our own page can know. */
export function keepCsrfToken(me: Me): void {
  csrfToken = me.csrf_token ?? undefined;
}

/** The versions of things as they were seen last, by address. */
const seen = new Map<string, string>();

/** What a change is about: what is at its address, or, for a step such as `…/approve`, what is one above. */
function changed(address: string): string | undefined {
  const above = address.slice(0, address.lastIndexOf('/'));
  return [address, above].find((one) => seen.has(one));
}

const guard: Middleware = {
  onRequest({ request }) {
    if (request.method === 'GET') return request;
    if (csrfToken) request.headers.set('X-Sekimori-CSRF', csrfToken);
    // What somebody else changed meanwhile is not changed over it.
    const version = seen.get(changed(new URL(request.url).pathname) ?? '');
    if (version) request.headers.set('If-Match', version);
    return request;
  },
  async onResponse({ request, response }) {
    if (response.ok) {
      const { pathname } = new URL(request.url);
      const version = response.headers.get('ETag');
      // What was changed is looked at again; what a step answers need not be the thing itself.
      if (request.method !== 'GET') seen.delete(changed(pathname) ?? '');
      else if (version) seen.set(pathname, version);
      return;
    }
    const body = await response
      .clone()
      .json()
      .catch(() => undefined);
    throw new ApiProblem(response.status, body);
  },
};

export const api = createClient<paths>({ baseUrl: '/', credentials: 'same-origin' });
api.use(guard);

/** The data of an answer; what is not an answer was thrown before. */
export async function answer<T>(call: Promise<{ data?: T }>): Promise<T> {
  const { data } = await call;
  return data as T;
}

const RETURN_KEY = 'sekimori.return';

/** Goes to the page that signs people in, which leads back to the console. */
export function signIn(assurance?: 'mfa'): void {
  const here = location.pathname + location.search;
  if (here !== '/ui/') sessionStorage.setItem(RETURN_KEY, here);
  location.assign(`/sign-in?txn=console${assurance ? `&assurance=${assurance}` : ''}`);
}

/** Where somebody was before signing in; each time is told once. */
export function takeReturnAddress(): string | null {
  const address = sessionStorage.getItem(RETURN_KEY);
  sessionStorage.removeItem(RETURN_KEY);
  return address?.startsWith('/ui/') ? address : null;
}
