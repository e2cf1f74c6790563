//! Names in kana and in Latin letters.

use super::context::{acts, is_among};
use super::lone::signed_off;
use super::unlisted::opens;
use super::words::{honorific, polite};
use super::{Evidence, abroad, ends_name, evidence, foreign};
use crate::document::Document;
use crate::label::Tag;
use crate::names::{Names, Romaji};
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana};

pub(super) fn kana(
    document: &Document,
    names: &Names,
    start: usize,
    last: Option<usize>,
) -> Option<(usize, u8)> {
    let folded = &document.folded;
    let same: fn(char) -> bool = if is_katakana(folded.at(start)) {
        is_katakana
    } else {
        is_hiragana
    };
    let len = |at: usize| {
        folded
            .part(at, at + 12)
            .iter()
            .take_while(|c| same(**c))
            .count()
    };
    let first = len(start);
    let end = start + first;
    // 「申込者カナ 」 is no name itself.
    let label = document.labels.partition_point(|label| label.start < start);
    let label = document.labels.get(label).filter(|l| l.start == start);
    if label.is_some_and(|label| label.end == end && label.tag == Tag::Name) {
        return None;
    }
    let katakana = is_katakana(folded.at(start));
    let mut evidence = evidence(document, start);
    evidence.among = is_among(folded, last, start);
    if matches!(folded.at(end), ' ' | '・') && (1..=7).contains(&first) {
        let second = len(end + 1).min(8);
        let surname = names.is_surname_reading(folded.part(start, end));
        // 「もりた ときと」: whole where the whole is a name, or where a label or a cell holds nothing else.
        let whole = names.is_given_reading(folded.part(end + 1, end + 1 + second));
        if second >= 2 && (surname || evidence.label) && (whole || evidence.label) {
            let cell = document
                .cell(start)
                .is_some_and(|cell| cell.end == end + 1 + second);
            if whole || cell {
                return Some((end + 1 + second, 90));
            }
        }
        let cut = (2..=second).rev().find(|cut| {
            let stop = end + 1 + cut;
            (*cut == second || honorific(folded, stop) || (surname && particle(folded, stop)))
                && names.is_given_reading(folded.part(end + 1, stop))
        });
        if let Some(cut) = cut.filter(|_| surname || evidence.label) {
            return Some((end + 1 + cut, 90));
        }
        // 「タカトオ ジュン様」
        if katakana && whole && first >= 2 && polite(folded, end + 1 + second) {
            return Some((end + 1 + second, 80));
        }
        if evidence.label && (2..=8).contains(&second) && (first >= 2 || surname) {
            return Some((end + 1 + second, 82));
        }
        // 「森 舞（もり まい）」
        let reading = folded.before(start) == '('
            && is_kanji(folded.before(start.saturating_sub(1)))
            && folded.at(end + 1 + second) == ')';
        if surname && (katakana || reading) && first >= 2 && (2..=8).contains(&second) {
            return Some((end + 1 + second, 74));
        }
    }
    if katakana
        && honorific(folded, end)
        && first >= 2
        && names.is_surname_reading(folded.part(start, end))
    {
        return Some((end, 82));
    }
    if katakana && let Some(found) = foreign::name(folded, names, (start, end), evidence) {
        return Some(found);
    }
    if let Some(confidence) = told(folded, names, (start, end), evidence) {
        return Some((end, confidence));
    }
    if !katakana {
        // 「おなまえ：さかきばらちづる」
        let split = |at: usize| {
            names.is_surname_reading(folded.part(start, start + at))
                && names.is_given_reading(folded.part(start + at, end))
        };
        if evidence.label && first >= 4 && (2..first).any(split) {
            return Some((end, 80));
        }
        let cut = (3..=first.min(6)).find(|cut| {
            honorific(folded, start + cut)
                && names.is_surname_reading(folded.part(start, start + cut))
        })?;
        return (evidence.boundary).then_some((start + cut, 75));
    }
    if first >= 4 && (evidence.label || first >= 6 || honorific(folded, end)) {
        let split = (2..first).any(|at| {
            names.is_surname_reading(folded.part(start, start + at))
                && names.is_given_reading(folded.part(start + at, end))
        });
        if split {
            return Some((end, if evidence.label { 88 } else { 65 }));
        }
    }
    (evidence.label
        && first >= 2
        && (names.is_surname_reading(folded.part(start, end))
            || names.is_given_reading(folded.part(start, end))))
    .then_some((end, 72))
}

/// 「はい、ハットリです」, 「アカリとマサヨシ」, 「…です。　いずみ」: a reading alone, where its place or what follows tells.
fn told(
    folded: &Folded,
    names: &Names,
    (start, end): (usize, usize),
    evidence: Evidence,
) -> Option<u8> {
    let word = folded.part(start, end);
    let signed = signed_off(folded, start, end);
    if !is_katakana(folded.at(start)) {
        let reading = || names.is_surname_reading(word) || names.is_given_reading(word);
        return (signed && word.len() >= 2 && reading()).then_some(60);
    }
    let has = |at: usize, words: &[&str]| words.iter().any(|word| folded.has(at, word));
    let says = word.len() >= 3 && opens(folded, start) && has(end, &["です", "と申し", "でござ"]);
    let owns = has(end, &["の誕生日", "の生年月日", "の生まれ"]);
    let among = evidence.among && (acts(folded, end) || ends_name(folded, end));
    let pair = has(end, &["と"]) && {
        let next = folded.part(end + 1, end + 8);
        let len = next.iter().take_while(|c| is_katakana(**c)).count();
        let next = next.get(..len).unwrap_or_default();
        let clear = names.is_only_given_reading(next) || names.is_only_given_reading(word);
        len >= 2 && names.is_given_reading(next) && clear
    };
    let name = || names.is_given_reading(word) || word.len() >= 3 && names.is_surname_reading(word);
    ((says || owns || among || pair || signed) && word.len() >= 2 && name()).then_some(62)
}

/// 「ゆかりちゃん」, 「明日のまーくん」, 「けいこさん」: where in the hiragana a given name begins and ends.
pub(super) fn called(folded: &Folded, names: &Names, start: usize) -> Option<(usize, usize)> {
    const RUN_MAX: usize = 14;
    const OTHERS: [&str; 22] = [
        "あか",
        "にい",
        "ねえ",
        "かあ",
        "とう",
        "おば",
        "おばあ",
        "おじ",
        "おじい",
        "みな",
        "たく",
        "おく",
        "ぼく",
        "おかあ",
        "おとう",
        "おねえ",
        "おにい",
        "おまわり",
        "ぼう",
        "じい",
        "ばあ",
        "おっ",
    ];
    const NAME_MAX: usize = 5;
    let title = |at: usize| {
        if !matches!(folded.at(at), 'ち' | 'く' | 'さ') {
            return None;
        }
        let close = ["ちゃん", "くん"].iter().any(|title| folded.has(at, title));
        // 「さん」 follows much that is no name.
        close
            .then_some(2)
            .or_else(|| folded.has(at, "さん").then_some(1))
    };
    let run = folded.part(start, start + RUN_MAX);
    let run = run.iter().take_while(|c| is_hiragana(**c)).count();
    let (end, kind) = (start + 2..start + run).find_map(|at| Some((at, title(at)?)))?;
    let name = |from: usize| {
        let word = folded.part(from, end);
        let other = || {
            OTHERS
                .iter()
                .any(|other| other.chars().eq(word.iter().copied()))
        };
        // 「まーくん」, 「さっちゃん」
        let pet = kind == 2 && word.len() == 2 && matches!(folded.before(end), 'ー' | 'っ' | 'ん');
        let whole = (2..=NAME_MAX).contains(&word.len())
            && (pet
                || kind == 2 && names.is_given_reading(word)
                || names.is_only_given_reading(word));
        whole && !other()
    };
    let particle = |at: usize| {
        matches!(
            folded.at(at),
            'の' | 'は' | 'と' | 'が' | 'に' | 'を' | 'も' | 'で' | 'や' | 'へ'
        )
    };
    let begins =
        (start..end).find(|from| (*from == start || particle(*from - 1)) && name(*from))?;
    Some((begins, end))
}

pub(super) fn latin(
    document: &Document,
    names: &Names,
    start: usize,
    last: Option<usize>,
) -> Option<(usize, u8)> {
    let folded = &document.folded;
    let word = |at: usize| {
        let part = folded.part(at, at + 16);
        part.iter()
            .take_while(|c| c.is_ascii_alphabetic() || matches!(c, '\'' | '’'))
            .count()
    };
    let first = word(start);
    let end = start + first;
    let gap = match (folded.at(end), folded.at(end + 1)) {
        (',', ' ') => 2,
        (' ' | ',', _) => 1,
        _ => 0,
    };
    let foreign = || {
        let titled = || titled(folded, start).filter(|_| title(folded, start));
        let abroad = abroad::name(folded, start).map(|stop| (stop, 74));
        abroad.or_else(|| titled().map(|stop| (stop, 78)))
    };
    if first < 2 || gap == 0 || !folded.at(end + gap).is_ascii_uppercase() {
        return foreign().or_else(|| single_latin(document, names, (start, end), last));
    }
    let second = word(end + gap);
    let stop = end + gap + second;
    if second < 2 || folded.at(stop).is_ascii_alphanumeric() || matches!(folded.at(stop), '@' | '_')
    {
        return foreign();
    }
    if is_city(folded.part(start, end)) && is_city(folded.part(end + gap, stop)) {
        return None;
    }
    let spelled = |from, to| Romaji::of(folded.part(from, to));
    let (a, b) = (spelled(start, end), spelled(end + gap, stop));
    let (western, eastern) = (
        names.is_given_romaji(&a) && names.is_surname_romaji(&b),
        names.is_surname_romaji(&a) && names.is_given_romaji(&b),
    );
    if western || eastern {
        return Some((stop, 88));
    }
    if let Some(found) = foreign() {
        return Some(found);
    }
    let japanese = names.is_surname_romaji(&a) && b.is_japanese()
        || names.is_surname_romaji(&b) && a.is_japanese() && !a.is_english();
    if japanese && first >= 3 && second >= 3 {
        return Some((stop, 72));
    }
    // 「Jun Yukimura」: a listed given name and a word of Japanese sounds that is long enough to be no accident.
    let with_given = |given: &Romaji, other: &Romaji, letters: usize| {
        names.is_given_romaji(given) && other.is_japanese() && letters >= 5 && !other.is_english()
    };
    if with_given(&a, &b, second) && first >= 3 || with_given(&b, &a, first) && second >= 3 {
        return Some((stop, 60));
    }
    if named(document, start) && abroad::are_names(folded, (start, end), (end + gap, stop)) {
        return Some((stop, 70));
    }
    let half = [&a, &b]
        .iter()
        .any(|word| names.is_surname_romaji(word) || names.is_given_romaji(word));
    let spoken_for = (half || title(folded, start))
        && (honorific(folded, stop) || evidence(document, start).label);
    spoken_for.then_some((stop, 78))
}

/// Whether a label right before `start` announces the name of somebody and nothing else: 「氏名（ローマ字）」, `holder`.
fn named(document: &Document, start: usize) -> bool {
    if !evidence(document, start).label {
        return false;
    }
    let behind = document.labels.partition_point(|label| label.end <= start);
    let label = behind.checked_sub(1).and_then(|at| document.labels.get(at));
    label.is_some_and(|label| {
        let text: String = document
            .folded
            .part(label.start, label.end)
            .iter()
            .collect();
        let text = text.to_ascii_lowercase();
        [
            "氏名",
            "ローマ字",
            "名義",
            "holder",
            "guest",
            "passenger",
            "full",
            "applicant",
        ]
        .iter()
        .any(|word| text.contains(word))
    })
}

/// Prefectures and large cities: two of them in a row are nobody.
fn is_city(word: &[char]) -> bool {
    #[rustfmt::skip]
    const CITIES: [&str; 56] = ["tokyo", "osaka", "kyoto", "nagoya", "yokohama", "kobe", "fukuoka", "sapporo", "sendai", "hiroshima", "chiba", "saitama", "kanagawa", "nara", "wakayama", "okayama", "kumamoto", "kagoshima", "okinawa", "naha", "nagasaki", "oita", "miyazaki", "saga", "kochi", "matsuyama", "takamatsu", "tokushima", "tottori", "shimane", "yamaguchi", "niigata", "toyama", "kanazawa", "ishikawa", "fukui", "nagano", "gifu", "shizuoka", "hamamatsu", "mie", "shiga", "akita", "aomori", "iwate", "yamagata", "fukushima", "ibaraki", "tochigi", "gunma", "yamanashi", "aichi", "hyogo", "hokkaido", "kawasaki", "kitakyushu"];
    let lower = || word.iter().map(char::to_ascii_lowercase);
    CITIES.iter().any(|city| city.chars().eq(lower()))
}

/// Words that follow a name in hiragana.
fn particle(folded: &Folded, at: usize) -> bool {
    [
        "です", "と", "が", "は", "に", "の", "を", "より", "から", "へ", "も", "で",
    ]
    .iter()
    .any(|word| folded.has(at, word))
}

/// `Mr. `, `Ms. `, `Dear ` before a name.
fn title(folded: &Folded, start: usize) -> bool {
    // Most words end here.
    if !matches!(folded.before(start), ' ' | '.') {
        return false;
    }
    [
        "Mr. ", "Ms. ", "Mrs. ", "Dr. ", "Mr ", "Ms ", "Dear ", "Mr.", "Ms.", "Dr.", "Prof. ",
    ]
    .iter()
    .any(|word| {
        let len = word.chars().count();
        start >= len
            && folded
                .part(start - len, start)
                .iter()
                .copied()
                .eq(word.chars())
    })
}

/// The end of one or two words behind `Mr.` and the like, whatever they are.
fn titled(folded: &Folded, start: usize) -> Option<usize> {
    let dear = folded.before(start) == ' ' && folded.before(start.saturating_sub(1)) == 'r';
    let first = abroad::word(folded, start).filter(|_| !dear)?;
    let second = (folded.at(first) == ' ').then(|| abroad::word(folded, first + 1));
    Some(second.flatten().unwrap_or(first))
}

/// `TODO(Tanaka)`, `@Tanaka`
fn noted(folded: &Folded, start: usize, end: usize) -> bool {
    let mark = ["TODO(", "FIXME(", "XXX(", "HACK(", "NOTE("];
    let marked = |mark: &&str| {
        let len = mark.len();
        start >= len && folded.has(start - len, mark)
    };
    mark.iter().any(marked) && folded.at(end) == ')' || folded.before(start) == '@'
}

fn single_latin(
    document: &Document,
    names: &Names,
    (start, end): (usize, usize),
    last: Option<usize>,
) -> Option<(usize, u8)> {
    let folded = &document.folded;
    if end - start < 3 {
        return None;
    }
    let polite = ["-san", "-sama", "さん", "様", "くん", "ちゃん", "氏"]
        .iter()
        .any(|word| folded.has(end, word));
    let own = ["-san", "-sama"].iter().any(|word| folded.has(end, word));
    let told = polite || title(folded, start) || noted(folded, start, end);
    let spelled = || Romaji::of(folded.part(start, end));
    if told {
        let word = spelled();
        let name = names.is_surname_romaji(&word)
            || names.is_given_romaji(&word)
            || own && word.is_japanese();
        return name.then_some((end, 80));
    }
    let joined = last.is_some_and(|last| {
        let between = folded.part(last, start.max(last));
        matches!(
            between,
            [' ', 'a', 'n', 'd', ' '] | [',', ' '] | [' ', '&', ' '] | ['、']
        )
    });
    let addressed = addressed(folded, start);
    let told = joined || addressed || signed(folded, start, end) || {
        let whole = matches!(
            folded.at(end),
            '\n' | '\0' | '"' | '\'' | ',' | ' ' | ')' | '<' | '/'
        );
        whole && evidence(document, start).label
    };
    // 「by Jun 5」, 「from Nara」
    let dated = folded.at(end) == ' ' && folded.at(end + 1).is_ascii_digit();
    if !told || dated || folded.at(end) == '@' || is_city(folded.part(start, end)) {
        return None;
    }
    let word = spelled();
    let given = abroad::is_given(folded, start, end) || names.is_given_romaji(&word);
    let name = given || !addressed && names.is_surname_romaji(&word);
    // `with EMA` is an abbreviation, and 「陽」 is spelled as `you` is.
    let shouts = addressed && folded.part(start, end).iter().all(char::is_ascii_uppercase);
    (name && word.letters() >= 3 && !shouts && !word.is_english()).then_some((end, 62))
}

/// `Hi Kenji`, `forwarded to Laura`: what leads to somebody in a sentence.
fn addressed(folded: &Folded, start: usize) -> bool {
    const LEADS: [&str; 12] = [
        "Hi ", "Hello ", "Hey ", "Thanks ", "Thanks, ", " to ", " from ", " with ", " by ",
        " ask ", " ping ", " tell ",
    ];
    folded.before(start) == ' '
        && LEADS.iter().any(|lead| {
            let len = lead.len();
            start >= len && folded.has(start - len, lead)
        })
}

/// `Best regards,` and a line of its own.
fn signed(folded: &Folded, start: usize, end: usize) -> bool {
    const CLOSING_MAX: usize = 24;
    if folded.before(start) != '\n' || !matches!(folded.at(end), '\n' | '\0') {
        return false;
    }
    let before = folded.part(start.saturating_sub(CLOSING_MAX), start);
    let before: String = before.iter().collect();
    let line = before.trim_end().rsplit('\n').next().unwrap_or_default();
    let closing = [
        "egards,",
        "hanks,",
        "est,",
        "heers,",
        "incerely,",
        "hank you,",
    ];
    closing.iter().any(|word| line.ends_with(word))
}

/// 「yukiさん」, 「@yamamoto」: a name in small letters before the title, or behind the sign, at `at`: from, to,
/// confidence.
pub(super) fn called_in_latin(
    folded: &Folded,
    names: &Names,
    at: usize,
) -> Option<(usize, usize, u8)> {
    const NAME_MAX: usize = 12;
    let edge = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.' | '-' | '@' | '/');
    let (start, end) = if folded.at(at) == '@' {
        let part = folded.part(at + 1, at + 2 + NAME_MAX);
        let letters = part.iter().take_while(|c| c.is_ascii_lowercase()).count();
        let end = at + 1 + letters;
        (edge(folded.before(at)) && edge(folded.at(end)) && letters >= 4)
            .then_some((at + 1, end))?
    } else {
        let titled = ["さん", "くん", "ちゃん", "様"]
            .iter()
            .any(|title| folded.has(at, title));
        let back = folded.part(at.saturating_sub(NAME_MAX + 1), at);
        let letters = back
            .iter()
            .rev()
            .take_while(|c| c.is_ascii_lowercase())
            .count();
        let start = at - letters;
        (titled && letters >= 3 && edge(folded.before(start))).then_some((start, at))?
    };
    let word = Romaji::of(folded.part(start, end));
    let name = names.is_surname_romaji(&word) || names.is_given_romaji(&word);
    (name && !word.is_english()).then_some((start, end, 66))
}
