// The settings of a connector, as the API takes them. What this console does not know is kept as it is.

import type { Schemas } from '../../api/client.ts';

/** A value, or where it is; `null` stays as it is. */
export type SecretRef = { env: string } | { file: string } | { value: string } | null;

export interface Transport {
  kind: string;
  url?: string;
  headers?: Record<string, SecretRef>;
  allow_private_network?: boolean;
  command?: string;
  args?: string[];
  env?: Record<string, SecretRef>;
  [more: string]: unknown;
}

export interface Settings {
  title: string;
  transport: Transport;
  protocol?: string;
  environment?: string;
  data_classes?: string[];
  exposure?: string;
  trust?: string;
  enabled?: boolean;
  allow_sampling?: boolean;
  allow_roots?: boolean;
  timeout_seconds?: number;
  /** With whose accounts calls are made, if the system is protected by OAuth. */
  oauth?: object | null;
  [more: string]: unknown;
}

export interface TemplateField {
  name: string;
  label: Record<'ja' | 'en', string>;
  example: string;
  secret: boolean;
  optional: boolean;
}

export interface Template {
  id: string;
  title: Record<'ja' | 'en', string>;
  description: Record<'ja' | 'en', string>;
  homepage?: string;
  transport: Transport;
  data_classes: string[];
  exposure?: string;
  trust?: string;
  fields: TemplateField[];
}

// The document calls both objects: they are what the command line shows as JSON.
export const settingsOf = (of: Schemas['ConnectorDetails']) => of.settings as unknown as Settings;
export const templateOf = (of: Schemas['ConnectorTemplateView']) => of.template as unknown as Template;

/** Where headers or variables are. */
export const credentialsIn = (transport: Transport) => (transport.kind === 'stdio' ? 'env' : 'headers');

/** A secret as people write it: the name of a variable, or the path of a file. */
export const referenceTo = (text: string): SecretRef => (text.includes('/') ? { file: text } : { env: text });

/** Puts what was filled in into the places of a text that name it. */
function put<T>(into: T, filled: Record<string, string>): T {
  if (typeof into === 'string') return into.replace(/\{(\w+)\}/g, (whole, name: string) => filled[name] ?? whole) as T;
  if (Array.isArray(into)) return into.map((one) => put(one, filled)) as T;
  if (into === null || typeof into !== 'object') return into;
  return Object.fromEntries(Object.entries(into).map(([name, value]) => [name, put(value, filled)])) as T;
}

/** The settings that a template and what was filled in make. */
export function fill(template: Template, filled: Record<string, string>, title: string): Settings {
  const transport = put(template.transport, filled);
  const secrets = template.fields
    .filter((field) => field.secret && filled[field.name])
    .map((field): [string, SecretRef] => [field.name, referenceTo(filled[field.name] ?? '')]);
  const where = credentialsIn(transport);
  return {
    title,
    transport: { ...transport, [where]: { ...transport[where], ...Object.fromEntries(secrets) } },
    data_classes: template.data_classes,
    ...(template.exposure ? { exposure: template.exposure } : {}),
    ...(template.trust ? { trust: template.trust } : {}),
  };
}
