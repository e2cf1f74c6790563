// Roles as the gate takes them. Its document tells of them as objects only: what they hold is in the policy schema.

export const CLASSES = ['read', 'create', 'update', 'delete', 'admin'] as const;
export const ENVIRONMENTS = ['production', 'staging', 'development'] as const;

export type Value = string | number | boolean | string[] | number[] | undefined;
/** A condition: its kind, and what that kind asks for. */
export type Condition = { kind: string } & Record<string, Value>;

export interface ApprovalRule {
  reason: string;
  approvers?: string[];
  quorum?: number;
  step_up?: boolean;
}

export interface Grant {
  classes: string[];
  connectors?: string[];
  tools?: string[];
  environments?: string[];
  /** `any`, or classes at most; public and internal by default. */
  data?: 'any' | { at_most: string[] };
  conditions?: Condition[];
  approval?: ApprovalRule;
}

export interface Role {
  name: string;
  title?: Record<string, string>;
  description?: string;
  members?: { groups?: string[]; principals?: string[] };
  grants: Grant[];
}

/** The role of an answer, whose document calls it an object. */
export const roleOf = (view: { role: unknown }): Role => view.role as Role;

/** What a kind of condition asks for, and how that is entered. */
export type Field = { name: string; as: 'list' | 'text' | 'number' | 'flag' | 'time' | 'weekdays' };

const anyOf: Field[] = [{ name: 'any_of', as: 'list' }];
const named: Field = { name: 'name', as: 'text' };

export const CONDITIONS: Record<string, Field[]> = {
  mfa: [{ name: 'age_seconds_max', as: 'number' }],
  zone: anyOf,
  country: anyOf,
  hours: [
    { name: 'from_minute', as: 'time' },
    { name: 'until_minute', as: 'time' },
    { name: 'weekdays', as: 'weekdays' },
    { name: 'holidays', as: 'flag' },
  ],
  device: [
    { name: 'managed', as: 'flag' },
    { name: 'compliant', as: 'flag' },
  ],
  department: anyOf,
  employment: anyOf,
  client: anyOf,
  argument_number: [named, { name: 'min', as: 'number' }, { name: 'max', as: 'number' }],
  argument_text: [named, ...anyOf],
  argument_set: [named, { name: 'at_most', as: 'list' }],
  argument_flag: [named, { name: 'is', as: 'flag' }],
};

/** The beginning of a condition of some kind. */
export function blankCondition(kind: string): Condition {
  const blank: Condition = { kind };
  for (const { name, as } of CONDITIONS[kind] ?? []) {
    if (as === 'list' || as === 'weekdays') blank[name] = [];
    else if (as === 'flag') blank[name] = kind === 'device';
    else if (as === 'text') blank[name] = '';
    else if (as === 'time') blank[name] = name === 'from_minute' ? 540 : 1_080;
  }
  return blank;
}
