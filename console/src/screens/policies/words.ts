// Roles in words.

import { CLASSES, type Condition, type Grant, type Role, type Value } from '../../api/roles.ts';
import type { Messages } from '../../i18n/en.ts';
import { listed } from '../../i18n/index.tsx';
import type { policies } from '../../i18n/policies.ts';

type Texts = (typeof policies)['en'];

const listOf = (value: Value) => (Array.isArray(value) ? listed(value) : '');
const textOf = (value: Value) => (value === undefined ? '' : String(value));

/** `540` is `09:00`. */
export function clockOf(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;
}

export function conditionInWords(s: Texts, condition: Condition): string {
  const what = s.conditionKinds[condition.kind] ?? condition.kind;
  const name = textOf(condition.name);
  switch (condition.kind) {
    case 'mfa':
      return s.inWords.mfa(condition.age_seconds_max === undefined ? undefined : textOf(condition.age_seconds_max));
    case 'hours': {
      const days = Array.isArray(condition.weekdays) ? condition.weekdays.map((day) => s.weekdays[Number(day) - 1]) : [];
      return s.inWords.hours(clockOf(Number(condition.from_minute)), clockOf(Number(condition.until_minute)), days.join('・'));
    }
    case 'device': {
      const how = ['managed', 'compliant'].filter((one) => condition[one] === true);
      return s.inWords.device(how.map((one) => s.fields[one] ?? one).join('・'));
    }
    case 'argument_number':
      return s.inWords.range(name, textOf(condition.min) || s.inWords.open, textOf(condition.max) || s.inWords.open);
    case 'argument_text':
      return s.inWords.list(name, listOf(condition.any_of));
    case 'argument_set':
      return s.inWords.list(name, listOf(condition.at_most));
    case 'argument_flag':
      return s.inWords.flag(name, condition.is === true);
    default:
      return s.inWords.anyOf(what, listOf(condition.any_of));
  }
}

/** What a grant lets one do, each part by itself: operations, on what, with which data, if what, agreed to by whom. */
export function grantInWords(t: Messages, s: Texts, grant: Grant): string[] {
  const classes = CLASSES.filter((one) => grant.classes.includes(one)).map((one) => t.classes[one] ?? one);
  const places = [
    ...(grant.connectors ?? []),
    ...(grant.tools ?? []),
    ...(grant.environments ?? []).map((one) => t.environments[one] ?? one),
  ];
  const data =
    grant.data === 'any'
      ? s.dataKinds.any
      : grant.data === undefined
        ? s.dataKinds.default
        : listed(grant.data.at_most.map((one) => s.dataClassNames[one] ?? one));
  const { approval } = grant;
  return [
    classes.join('・'),
    listed(places) || s.everything,
    data ?? '',
    listed((grant.conditions ?? []).map((one) => conditionInWords(s, one))) || s.always,
    approval ? s.inWords.approval(String(approval.quorum ?? 1), listed(approval.approvers ?? [])) : '–',
  ];
}

export type Cell = 'yes' | 'conditions' | 'approval' | 'no';

/** What a role lets one do with a class of operations, at best. */
export function cellOf(role: Role, operation: string): Cell {
  const grants = role.grants.filter((grant) => grant.classes.includes(operation));
  const narrow = (grant: Grant) =>
    [grant.connectors, grant.tools, grant.environments, grant.conditions].some((one) => (one ?? []).length > 0);
  const free = grants.filter((grant) => !grant.approval);
  if (free.some((grant) => !narrow(grant))) return 'yes';
  if (free.length > 0) return 'conditions';
  return grants.length > 0 ? 'approval' : 'no';
}

export function titleOf(role: Role, language: string): string {
  return role.title?.[language] ?? role.name;
}
