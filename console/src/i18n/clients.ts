// Texts of registering clients.

import { bilingual } from './bilingual.ts';

export const clients = bilingual(
  {
    add: 'Register a client',
    addTitle: 'Register a client beforehand',
    lead: 'For clients that can’t describe or register themselves: give them the id that is made here.',
    name: 'Name',
    redirects: 'Redirect URIs, one a line',
    redirectsHint: 'https, or http on a loopback address. Empty only for a client that acts for a service account.',
    account: 'Service account that it acts for',
    accountHint: 'Empty: it acts for people',
    keys: 'Address of its public keys (JWKS)',
    keysHint: 'Empty: it has no key, and proves itself by PKCE alone',
    scopes: 'The most it may be granted',
    scopeNames: { 'mcp:read': 'Read', 'mcp:write': 'Read and write', 'mcp:admin': 'Everything' } as Record<string, string>,
    create: 'Register',
    created: (name: string) => `${name} is registered.`,
  },
  {
    add: 'クライアントを登録',
    addTitle: 'クライアントの事前登録',
    lead: '自分で登録できないクライアントのための登録です。発行された ID をクライアントに設定してください。',
    name: '名前',
    redirects: 'リダイレクト URI（1 行に 1 つ）',
    redirectsHint: 'https、またはループバックアドレスの http。サービスアカウントとして動くクライアントでは空欄にできます。',
    account: '利用するサービスアカウント',
    accountHint: '空欄の場合は、ユーザーの代理として動きます',
    keys: '公開鍵（JWKS）のアドレス',
    keysHint: '空欄の場合は鍵を持たず、PKCE だけで確認します',
    scopes: '許可できる範囲の上限',
    scopeNames: { 'mcp:read': '参照', 'mcp:write': '参照と変更', 'mcp:admin': 'すべて' },
    create: '登録',
    created: (name) => `${name} を登録しました。`,
  },
);
