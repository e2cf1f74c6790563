//! Names whose surname is in no list, where their place or the given name behind it says that they are names.

use std::sync::LazyLock;

use super::context::{does, is_place, is_role, of_company, replies, speaks};
use super::full::reading;
use super::words::{company_like, honorific, organisation_like};
use super::{Evidence, blanks, ends_name, run};
use crate::document::Document;
use crate::lexicon::Lexicon;
use crate::names::Names;
use crate::text::{Folded, is_kanji};

/// Longest surname that is looked for.
const SURNAME_MAX: usize = 4;

/// 「氏名：勅使河原栄治郎」, 「霧島　優里様」, 「鮎川 恵、」: kanji before a listed given name, as the value of a label
/// or between boundaries.
pub(super) fn unlisted_name(
    document: &Document,
    names: &Names,
    start: usize,
    evidence: Evidence,
) -> Option<(usize, u8)> {
    let folded = &document.folded;
    let kanji = run(folded, start, 8);
    let gap = blanks(folded, start + kanji);
    if gap == 0 {
        return value(document, names, start, kanji).filter(|_| evidence.label);
    }
    let surname = folded.part(start, start + kanji);
    let given = start + kanji + gap;
    let end = given + run(folded, given, 4);
    let word = folded.part(given, end);
    // 「名前：雲雀丘 佳能子」: a hill, but not here.
    let other = if evidence.label {
        names.has_unlikely(surname)
    } else {
        is_other(names, surname) || names.is_word(surname)
    };
    let fits = (1..=SURNAME_MAX).contains(&kanji) && (1..=3).contains(&word.len()) && !other;
    let known = names.is_listed_given(word) || evidence.label && names.is_given(word);
    if !(fits && known) {
        return None;
    }
    if evidence.label && ends_name(folded, end)
        || honorific(folded, end)
        || reading(folded, names, end).is_some()
    {
        return Some((end, 78));
    }
    let clear = kanji >= 2
        && word.len() >= 2
        && names.is_clearly_given(word)
        && !is_place(word)
        && !is_place(surname);
    (clear && opens(folded, start) && closes(folded, end)).then_some((end, 62))
}

/// A value that is nothing but kanji and ends with a listed given name.
fn value(document: &Document, names: &Names, start: usize, kanji: usize) -> Option<(usize, u8)> {
    let folded = &document.folded;
    let end = start + kanji;
    let cell = document.cell(start);
    let whole = cell.is_some_and(|cell| cell.start == start && cell.end == end)
        || matches!(
            folded.at(end),
            '"' | '\'' | '\n' | '\0' | '<' | ' ' | '、' | '/' | ')' | '('
        )
        || honorific(folded, end);
    let split = (2..=SURNAME_MAX.min(kanji.saturating_sub(1))).any(|cut| {
        let (surname, given) = (
            folded.part(start, start + cut),
            folded.part(start + cut, end),
        );
        let listed = names.is_listed_given(given) && names.is_clearly_given(given);
        listed && (given.len() >= 2 || names.is_like_surname(surname)) && !is_other(names, surname)
    });
    let word = folded.part(start, end);
    (whole && (3..=7).contains(&kanji) && split && !organisation_like(word)).then_some((end, 68))
}

/// 「発言者：鮎川」: the value of a label that is made of characters of surnames.
pub(super) fn unlisted_surname(
    folded: &Folded,
    names: &Names,
    start: usize,
    evidence: Evidence,
) -> Option<(usize, u8)> {
    let kanji = run(folded, start, 5);
    let (end, word) = (start + kanji, folded.part(start, start + kanji));
    if !(2..=3).contains(&kanji) || !names.is_like_surname(word) || names.is_word(word) {
        return None;
    }
    let says = |words: &[&str]| words.iter().any(|word| folded.has(end, word));
    let staff = || {
        folded.before(start) == 'の'
            && says(&["と申し", "です。", "でございます"])
            && of_company(folded, start - 1)
    };
    let told = opens(folded, start) && says(&["と申し"])
        || staff()
        || speaks(folded, start, end) && (evidence.talk || replies(folded, end))
        || evidence.among
            && folded.before(start) != 'と'
            && (ends_name(folded, end) || honorific(folded, end));
    // 「本件、新庄谷に引き継ぎました」
    let acting = opens(folded, start) && ends_like_surname(word) && does(folded, end);
    let told = told || acting;
    let value = evidence.label
        && folded.before(start) != 'の'
        && matches!(
            folded.at(end),
            '\n' | '\0' | ' ' | '、' | '/' | '"' | '(' | '→'
        );
    let other = if acting {
        company_like(word) || names.has_unlikely(word)
    } else {
        is_other(names, word)
    };
    ((value || told) && !other && !is_place(word)).then_some((end, 58))
}

/// Whether a word ends as many surnames do.
fn ends_like_surname(word: &[char]) -> bool {
    const ENDS: &str = "田川山野村原井谷沢澤島嶋崎木口岡藤塚津辺瀬垣江浜宮";
    word.last().is_some_and(|c| ENDS.contains(*c))
}

/// 「横綱朝青龍が」: the name of a wrestler behind his rank.
pub(super) fn ranked(folded: &Folded, start: usize) -> Option<(usize, u8)> {
    const RANKS: [&str; 4] = ["横綱", "大関", "関脇", "小結"];
    let behind = matches!(folded.before(start), '綱' | '関' | '脇' | '結')
        && start >= 2
        && RANKS.iter().any(|rank| folded.has(start - 2, rank));
    let name = folded.part(start, start + 6);
    let letters = name
        .iter()
        .take_while(|c| is_kanji(**c) || **c == 'の')
        .count();
    let end = start + letters;
    (behind && (2..=5).contains(&letters) && folded.before(end) != 'の' && ends_name(folded, end))
        .then_some((end, 66))
}

/// A name of one word: wrestlers are known by nothing else.
pub(super) fn ring_name(folded: &Folded, start: usize) -> Option<(usize, u8)> {
    let (length, ()) = RING_NAMES.longest_at(folded.chars(), start)?;
    let end = start + length;
    let free = |c: char| !is_kanji(c) && c != 'ノ';
    (free(folded.before(start)) && (free(folded.at(end)) || honorific(folded, end)))
        .then_some((end, 70))
}

#[rustfmt::skip]
static RING_NAMES: LazyLock<Lexicon<()>> = LazyLock::new(|| {
    let names = ["朝青龍", "白鵬", "日馬富士", "鶴竜", "稀勢の里", "照ノ富士", "豊昇龍", "大の里", "貴乃花", "若乃花", "武蔵丸", "千代の富士", "北の湖", "北の富士", "琴櫻", "琴桜", "隆の里", "大乃国", "旭富士", "北勝海", "双羽黒", "小錦", "魁皇", "千代大海", "栃東", "琴欧州", "琴欧洲", "把瑠都", "琴光喜", "琴奨菊", "豪栄道", "栃ノ心", "貴景勝", "朝乃山", "御嶽海", "霧馬山", "若の里", "高見盛", "豊桜", "露鵬", "白露山", "雅山", "武双山", "貴ノ浪", "舞の海", "旭天鵬", "旭鷲山", "安美錦", "嘉風", "宇良", "翔猿", "若隆景", "尊富士", "熱海富士", "阿炎", "隆の勝", "北勝富士", "逸ノ城", "碧山", "臥牙丸", "時天空", "豊ノ島", "豪風"];
    Lexicon::new(names.iter().map(|name| (*name, ())))
});

/// Whether it is a word for a company, a part of one, or a role.
fn is_other(names: &Names, word: &[char]) -> bool {
    #[rustfmt::skip]
    const WORDS: [&str; 29] = ["長女", "未定", "全員", "本人", "同上", "同左", "各自", "不在", "本社", "本店", "支店", "空白", "有無", "女性", "男性", "個人", "法人", "一同", "正本", "原本", "見本", "上記", "下記", "左記", "別紙", "長男", "次男", "次女", "父母"];
    organisation_like(word)
        || is_role(word)
        || names.has_unlikely(word)
        || WORDS
            .iter()
            .any(|other| other.chars().eq(word.iter().copied()))
}

/// Whether a sentence, a value or an item of a list begins at `start`.
pub(super) fn opens(folded: &Folded, start: usize) -> bool {
    matches!(
        folded.before(start),
        '\n' | '\0'
            | '、'
            | '。'
            | ':'
            | '"'
            | '\''
            | '('
            | ','
            | '|'
            | '\t'
            | '>'
            | '「'
            | '/'
            | '→'
            | '・'
    )
}

/// Whether one ends at `end`.
fn closes(folded: &Folded, end: usize) -> bool {
    matches!(
        folded.at(end),
        '\n' | '\0'
            | '、'
            | '。'
            | '"'
            | '\''
            | ')'
            | ','
            | '|'
            | '\t'
            | '<'
            | '」'
            | '/'
            | '('
            | '・'
    )
}
