// Texts of the searches of the audit log that people keep.

import { bilingual } from './bilingual.ts';

export const searches = bilingual(
  {
    menu: 'Saved searches',
    own: 'My own',
    shared: 'Shared by others',
    none: 'No search is saved yet.',
    saveThis: 'Save this search',
    title: 'Save this search',
    name: 'Name',
    share: 'For everybody who may look at the audit log',
    periodNote: 'A period such as “last 7 days” counts back from when the search runs.',
    save: 'Save',
    saved: (name: string) => `“${name}” is saved.`,
    by: 'by',
    remove: (name: string) => `Remove “${name}”`,
    removeTitle: (name: string) => `Remove the search “${name}”?`,
    removeText: 'Nobody sees it any more. No record is removed.',
    removeVerb: 'Remove',
    removed: (name: string) => `“${name}” is removed.`,
  },
  {
    menu: '保存した検索',
    own: '自分の検索',
    shared: '共有されている検索',
    none: '保存した検索はまだありません。',
    saveThis: 'この検索を保存',
    title: 'この検索を保存',
    name: '名前',
    share: '監査ログを見られる全員と共有する',
    periodNote: '「過去7日間」などの期間は、検索するたびにその時点から数えます。',
    save: '保存',
    saved: (name: string) => `「${name}」を保存しました。`,
    by: '作成者',
    remove: (name: string) => `「${name}」を削除`,
    removeTitle: (name: string) => `検索「${name}」を削除しますか。`,
    removeText: '以後は誰にも表示されません。監査記録は消えません。',
    removeVerb: '削除',
    removed: (name: string) => `「${name}」を削除しました。`,
  },
);
