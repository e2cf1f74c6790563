//! A surname or a given name alone, where what stands around it says that it is somebody.

use super::context::{
    acts, does, does_something, introduced, is_line, is_place, is_role, is_value, joins,
    kin_before, logged, replies, says_so, signs, speaks,
};
use super::full::titled;
use super::unlisted::opens;
use super::words::{is_common_word, organisation_like, polite};
use super::{Evidence, SINGLE, ends_name, is_common, run};
use crate::document::Document;
use crate::names::{Names, Surname};
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana};

/// A given name alone: as a value of its own, 「翔太くん」, or somebody who does something.
pub(super) fn lone_given(
    document: &Document,
    names: &Names,
    start: usize,
    evidence: Evidence,
) -> Option<(usize, u8)> {
    let folded = &document.folded;
    let kanji = run(folded, start, 4);
    // 「航平様」
    let cut = (1..kanji).find(|len| polite(folded, start + len));
    let end = start + cut.unwrap_or(kanji);
    let cell = document
        .cell(start)
        .is_some_and(|cell| cell.start == start && cell.end == end);
    let whole = cell || matches!(folded.at(end), '"' | '\'' | '<' | '\n' | '\0');
    let word = folded.part(start, end);
    if evidence.label && whole && names.is_listed_given(word) {
        return Some((end, 74));
    }
    // 「子の名前は凛です」, 「喪主は航平様」
    let said = says_so(folded, end)
        || ["です", "と", "で"]
            .iter()
            .any(|word| folded.has(end, word));
    let named = names.is_listed_given(word) || word.len() == 1 && names.is_given(word);
    if evidence.label && named && (said || polite(folded, end)) && !names.is_word(word) {
        return Some((end, 66));
    }
    // 「長男の翔太が」, 「妻花子、」
    let known = names.is_listed_given(word) || word.len() == 1 && names.is_given(word);
    if known && kin_before(folded, start) && (acts(folded, end) || folded.at(end) == 'の') {
        return Some((end, 66));
    }
    let close = ["くん", "ちゃん", "さん", "君"];
    let called = (2..=word.len()).find(|len| {
        let word = folded.part(start, start + len);
        let honored = close.iter().any(|title| folded.has(start + len, title));
        honored && names.is_listed_given(word) && !is_role(word) && !organisation_like(word)
    });
    if let Some(len) = called {
        return evidence.boundary.then_some((start + len, 64));
    }
    let clear = !evidence.weak
        && names.is_only_given(word)
        && !names.is_word(word)
        && !is_common_word(word)
        && !is_place(word)
        && !organisation_like(word);
    let somebody = || {
        evidence.among && ends_name(folded, end)
            || polite(folded, end)
            || does_something(folded, end)
    };
    (evidence.boundary && clear && somebody()).then_some((end, 58))
}

/// A surname without a given name, a title or a label.
pub(super) fn alone_surname(
    folded: &Folded,
    start: usize,
    (end, rank): (usize, Surname),
    evidence: Evidence,
) -> Option<(usize, u8)> {
    let next = folded.at(end);
    // 「（乾購買課長と面談）」
    let office = is_kanji(next) && opens(folded, start) && titled(folded, end);
    if evidence.weak || is_katakana(next) || is_kanji(next) && !office && !acts(folded, end) {
        return None;
    }
    let (word, before) = (folded.part(start, end), folded.before(start));
    if word.len() == 1 {
        let free = !is_kanji(before) && !is_hiragana(before) && !is_katakana(before);
        let usual = evidence.talk || SINGLE.contains(&folded.at(start));
        let known =
            usual && (free || evidence.lead || evidence.among || matches!(before, 'た' | 'の'));
        let acts =
            || does(folded, end) || introduced(folded, start, end) || speaks(folded, start, end);
        let ends = ends_name(folded, end);
        let listed = (evidence.among || evidence.titled) && ends;
        // 「早番：原、谷」
        let next = evidence.among && ends && free && !is_common(folded.at(start));
        let value = usual
            && ends
            && (signs(folded, start) || is_value(folded, start) && bracketed(folded, end));
        // 「代わりに乾が」
        let stands_in = || evidence.lead && does_something(folded, end);
        let fits = known && (listed || before == '@' || office || acts() || stands_in())
            || next
            || value
            || usual && signed_off(folded, start, end);
        return fits.then_some((end, 62));
    }
    let place = is_place(word) || rank == Surname::Ambiguous;
    let counted = next == 'の'
        && matches!(
            folded.at(end + 1),
            '0'..='9' | '両' | '二' | '三' | '四' | '各' | '順'
        );
    let listed = ends_name(folded, end) || matches!(next, '両' | 'ほ' | '他' | '及') || counted;
    let confidence = match () {
        () if speaks(folded, start, end)
            && (!place || logged(folded, start) || evidence.talk || replies(folded, end)) =>
        {
            76
        }
        () if introduced(folded, start, end) => 80,
        () if office && !place || signed_off(folded, start, end) => 64,
        // 「人事部二階堂です。」
        () if is_kanji(before) && says_so(folded, end) => 66,
        () if evidence.lead && acts(folded, end) && (!is_place(word) || does(folded, end)) => 74,
        // 「営業の熊本です」
        () if evidence.lead && says_so(folded, end) && of_staff(folded, start) => 66,
        () if evidence.titled && !is_place(word) && matches!(next, '\n' | '\0' | '。') => 66,
        () if evidence.among && listed && !place => 70,
        () if counted && !place => 68,
        () if evidence.among && listed && (next == '(' || counted || before == '→') => 60,
        () if evidence.role && !place && acts(folded, end) => 66,
        () if is_value(folded, start) && ends_name(folded, end) && !place => 70,
        () if (before == '@' || is_line(folded, start, end)) && !place => 66,
        () if place && (does(folded, end) || signs(folded, start)) => 62,
        () if !place && joins(folded, start, end) => 64,
        () if rank == Surname::Frequent && !place && !is_katakana(before) && acts(folded, end) => {
            66
        }
        () if rank == Surname::Rare && !is_katakana(before) && does_something(folded, end) => 62,
        () => return None,
    };
    Some((end, confidence))
}

/// Whether the 「の」 before `start` belongs to what people do, not to where they do it: 「営業の」, not 「本社の」.
fn of_staff(folded: &Folded, start: usize) -> bool {
    !matches!(
        folded.before(start.saturating_sub(1)),
        '社' | '店' | '所' | '場' | '県' | '市' | '国' | '校' | '院' | '会'
    )
}

/// Family names of China and Korea of one character.
const ABROAD: &str = "張陳劉趙呉徐朱郭梁鄭宋馮鄧曹彭蕭蔡潘董蘇魏呂沈姚姜崔鍾譚陸汪廖賈鄒熊秦邱尹薛侯陶黎龔邵銭朴権洪裵許王黄孫周胡何高唐韓曽程傅袁段孟湯楊葉杜余范任盧江柳申李金林";

/// What stands before さん without being a name.
const CALLED: &str = "皆奥娘嫁婿孫兄姉妹弟父母爺婆客神仏殿王姫妃患主君僕彼誰何方者人子猫犬馬猿熊象虎蛇牛豚鳥亀鬼花月星日天店寺宮社業医職役先親僧坊町村市国県都島氏家外内中上下男女新旧両各毎数多少全御当貴弊同某故産散参三";

/// 「張さん」, 「轟くん」: one character before an honorific of every day.
pub(super) fn single_called(folded: &Folded, start: usize) -> Option<(usize, u8)> {
    let (c, before) = (folded.at(start), folded.before(start));
    let title = match folded.at(start + 1) {
        'さ' => folded.has(start + 1, "さん"),
        'く' => folded.has(start + 1, "くん"),
        '氏' => !is_kanji(folded.at(start + 2)),
        _ => false,
    };
    let free = !is_kanji(before)
        && !is_katakana(before)
        && (!is_hiragana(before)
            || matches!(
                before,
                'の' | 'は' | 'が' | 'と' | 'に' | 'を' | 'て' | 'で' | 'も' | 'や'
            ));
    (title && free && !CALLED.contains(c)).then_some((start + 1, 64))
}

/// 「王小明様」, 「李明、朴智星」: a family name of China or Korea and a given name.
pub(super) fn abroad_in_kanji(
    folded: &Folded,
    names: &Names,
    start: usize,
    evidence: Evidence,
) -> Option<(usize, u8)> {
    if !ABROAD.contains(folded.at(start)) || is_kanji(folded.before(start)) && !evidence.boundary {
        return None;
    }
    let gap = usize::from(folded.at(start + 1) == ' ');
    let given = start + 1 + gap;
    // An honorific may follow at once.
    let letters = run(folded, given, 4);
    let end = (1..=letters.min(2))
        .map(|len| given + len)
        .find(|end| polite(folded, *end) || *end == given + letters)?;
    let word = folded.part(given, end);
    let told = evidence.label || evidence.among || polite(folded, end);
    let closed = ends_name(folded, end) || polite(folded, end);
    let prince = matches!(folded.part(start, end), ['王', '子' | '女' | '室' | '家']);
    let fits = told
        && closed
        && !prince
        && names.is_given(word)
        && !names.is_word(word)
        && !organisation_like(folded.part(start, end));
    fits.then_some((end, 66))
}

/// 「原 (hara@…」: something in brackets behind a name tells how to reach whoever it is.
fn bracketed(folded: &Folded, end: usize) -> bool {
    let open = end + usize::from(folded.at(end) == ' ');
    let inside = folded.part(open + 1, open + 3);
    folded.at(open) == '('
        && inside
            .iter()
            .any(|c| c.is_ascii_alphanumeric() || matches!(c, '`' | '@'))
}

/// 「よろしくお願いします。　柳」: a name alone behind the last sentence.
pub(super) fn signed_off(folded: &Folded, start: usize, end: usize) -> bool {
    let at = start - usize::from(folded.before(start) == ' ');
    matches!(folded.before(at), '。' | '!' | '」') && matches!(folded.at(end), '\n' | '\0' | '"')
}
