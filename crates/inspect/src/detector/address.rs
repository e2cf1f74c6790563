//! 住所: prefecture and municipality from the lists of the postal service, a town, block numbers in any
//! spelling, and a building.

use std::sync::LazyLock;

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::Tag;
use crate::lexicon::Lexicon;
use crate::spots::Begin;
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana};

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::Address,
    version: 3,
    approach: "prefecture or municipality, town, block numbers (丁目, 番, hyphens, kanji), building",
    find,
};

#[rustfmt::skip]
const PREFECTURES: [&str; 47] = ["北海道", "青森県", "岩手県", "宮城県", "秋田県", "山形県", "福島県", "茨城県", "栃木県", "群馬県", "埼玉県", "千葉県", "東京都", "神奈川県", "新潟県", "富山県", "石川県", "福井県", "山梨県", "長野県", "岐阜県", "静岡県", "愛知県", "三重県", "滋賀県", "京都府", "大阪府", "兵庫県", "奈良県", "和歌山県", "鳥取県", "島根県", "岡山県", "広島県", "山口県", "徳島県", "香川県", "愛媛県", "高知県", "福岡県", "佐賀県", "長崎県", "熊本県", "大分県", "宮崎県", "鹿児島県", "沖縄県"];

#[rustfmt::skip]
const BUILDINGS: &[&str] = &["ビル", "マンション", "ハイツ", "コーポ", "メゾン", "タワー", "レジデンス", "アパート", "パレス", "ハウス", "荘", "プラザ", "ヒルズ", "ガーデン", "コート", "テラス", "ヴィラ", "シャトー", "ハイム", "カーサ", "ビルディング", "センター", "館", "団地", "住宅", "寮", "社宅", "フラット", "ドーム", "スクエア", "パーク", "ステージ", "エステート", "キャッスル", "レジデンシャル", "サンハイツ", "グランド", "プレイス", "スカイ", "棟", "会館", "邸", "ルーム", "キャピタル", "ロイヤル", "ビレッジ", "ヴィレッジ", "フォレスト", "シティ", "オフィス"];

static BUILDING: LazyLock<Lexicon<()>> =
    LazyLock::new(|| Lexicon::new(BUILDINGS.iter().map(|word| (*word, ()))));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Prefecture,
    Municipality,
}

pub(crate) static PLACES: LazyLock<Lexicon<Place>> = LazyLock::new(|| {
    let listed = include_str!("../../data/municipalities.txt").lines();
    let short = listed.clone().flat_map(|name| {
        // 「厚沢部町」 of 「檜山郡厚沢部町」, 「札幌市」 of 「札幌市中央区」
        let town = name
            .split_once('郡')
            .map(|(_, town)| town)
            .filter(|town| town.chars().count() > 2);
        let city = name
            .find('市')
            .and_then(|at| name.get(..at + '市'.len_utf8()))
            .filter(|city| city.len() < name.len());
        [town, city].into_iter().flatten()
    });
    let towns = listed.chain(short).map(|name| (name, Place::Municipality));
    Lexicon::new(
        PREFECTURES
            .map(|name| (name, Place::Prefecture))
            .into_iter()
            .chain(towns),
    )
});

/// Whether an address may begin at `at`.
pub(super) fn begins(document: &Document, at: usize) -> bool {
    PLACES.may_begin(document.folded.at(at), document.folded.at(at + 1))
        && PLACES.longest_at(document.folded.chars(), at).is_some()
}

fn find(document: &Document, found: &mut Vec<Match>) {
    let mut free = 0;
    for at in document.spots.of(Begin::Place) {
        if at < free {
            continue;
        }
        if let Some((end, confidence)) = outline(document, at) {
            Document::push(found, Kind::Address, at, end, confidence);
            free = end;
        }
    }
}

fn outline(document: &Document, start: usize) -> Option<(usize, u8)> {
    let folded = &document.folded;
    let (len, place) = PLACES.longest_at(folded.chars(), start)?;
    let mut at = skip_blank(folded, start + len);
    let mut exact = place == Place::Municipality;
    if place == Place::Prefecture {
        let next = PLACES
            .longest_at(folded.chars(), at)
            .filter(|(_, place)| *place == Place::Municipality);
        if let Some((len, _)) = next {
            at = skip_blank(folded, at + len);
            exact = true;
        } else {
            at = unknown_municipality(folded, at)?;
        }
    }
    let context = document.context(start, start + len);
    let labelled = context.is(Tag::Address) && context.distance <= 4;
    if let Some(end) = blocks(folded, at, exact) {
        return Some((
            building(folded, end),
            if place == Place::Prefecture || labelled {
                93
            } else {
                86
            },
        ));
    }
    if let Some(end) = crossing(folded, at) {
        return Some((end, 84));
    }
    // Behind a label, or as a cell, an address may end with the town.
    let cell = document.cell(start).filter(|cell| cell.start == start);
    let town = town_end(folded, at);
    (labelled && (town > at || cell.is_some())).then_some((town, 80))
}

fn skip_blank(folded: &Folded, at: usize) -> usize {
    if folded.at(at) == ' ' { at + 1 } else { at }
}

fn unknown_municipality(folded: &Folded, at: usize) -> Option<usize> {
    let part = folded.part(at, at + 8);
    let end = part
        .iter()
        .position(|c| matches!(c, '市' | '区' | '町' | '村' | '郡'))?;
    let letters = part
        .iter()
        .take(end)
        .all(|c| is_kanji(*c) || is_hiragana(*c) || is_katakana(*c));
    (letters && end > 0).then_some(at + end + 1)
}

/// 「下立売通新町西入薮ノ内町」: a street of Kyoto, which way one turns from it, and a town, without numbers.
fn crossing(folded: &Folded, start: usize) -> Option<usize> {
    const STREETS_MAX: usize = 28;
    const TURNS: [&str; 9] = [
        "上る",
        "下る",
        "上ル",
        "下ル",
        "東入",
        "西入",
        "上がる",
        "下がる",
        "入る",
    ];
    let part = folded.part(start, start + STREETS_MAX);
    let letters = part.iter().take_while(|c| is_town(**c)).count();
    let turn = (1..letters).rev().find_map(|at| {
        let turn = TURNS.iter().find(|turn| folded.has(start + at, turn))?;
        Some(at + turn.chars().count())
    })?;
    let street = part
        .iter()
        .take(turn)
        .any(|c| matches!(c, '通' | '町' | '路' | '条'));
    let town = part
        .iter()
        .take(letters)
        .skip(turn)
        .position(|c| *c == '町');
    street.then_some(start + town.map_or(turn, |town| turn + town + 1))
}

fn is_town(c: char) -> bool {
    is_kanji(c) || is_hiragana(c) || is_katakana(c) || matches!(c, '〇' | '・')
}

fn town_end(folded: &Folded, start: usize) -> usize {
    let part = folded.part(start, start + 16);
    start
        + part
            .iter()
            .take_while(|c| is_kanji(**c) || is_katakana(**c))
            .count()
}

/// The end of the block numbers behind a town of up to 24 letters.
fn blocks(folded: &Folded, start: usize, exact: bool) -> Option<usize> {
    const TOWN_MAX: usize = 24;
    let mut particles = 0;
    for at in start..=start + TOWN_MAX {
        let c = folded.at(at);
        if let Some(end) = block(folded, at, exact && at > start) {
            return Some(end);
        }
        if matches!(c, 'は' | 'を' | 'で' | 'へ' | 'も') && !kana_town(folded, start, at)
            || matches!(
                (c, folded.at(at + 1)),
                ('か', 'ら') | ('ま', 'で') | ('に', 'て' | 'あ' | 'お')
            )
        {
            return None;
        }
        particles += usize::from(is_hiragana(c));
        let blank = c == ' '
            && at > start
            && (folded.at(at + 1).is_ascii_digit() || is_kanji(folded.at(at + 1)));
        if !(is_town(c) || blank || numbered_town(folded, at)) || particles > 10 {
            return None;
        }
    }
    None
}

/// 「高知市はりまや町」: within a name of a town in hiragana that begins at `start`.
fn kana_town(folded: &Folded, start: usize, at: usize) -> bool {
    const KANA_MAX: usize = 6;
    let part = folded.part(start, start + KANA_MAX + 1);
    let kana = part.iter().take_while(|c| is_hiragana(**c)).count();
    (3..=KANA_MAX).contains(&kana)
        && at < start + kana
        && matches!(
            part.get(kana),
            Some('町' | '台' | '丘' | '野' | '原' | '浜')
        )
}

/// 「7条西」, 「東13線」: numbers in the names of towns.
fn numbered_town(folded: &Folded, at: usize) -> bool {
    let part = folded.part(at, at + 4);
    let digits = part.iter().take_while(|c| c.is_ascii_digit()).count();
    let town = matches!(
        (part.get(digits), part.get(digits + 1)),
        (Some('番'), Some('町' | '丁'))
    );
    digits > 0 && (town || matches!(part.get(digits), Some('条' | '線' | '区' | '号')))
}

/// A block number: digits or kanji numerals.
fn numeral(folded: &Folded, start: usize) -> Option<(usize, bool)> {
    let part = folded.part(start, start + 8);
    let digits = part.iter().take_while(|c| c.is_ascii_digit()).count();
    if (1..=5).contains(&digits) {
        return Some((start + digits, false));
    }
    let kanji = part
        .iter()
        .take_while(|c| {
            matches!(
                c,
                '一' | '二'
                    | '三'
                    | '四'
                    | '五'
                    | '六'
                    | '七'
                    | '八'
                    | '九'
                    | '十'
                    | '百'
                    | '千'
                    | '〇'
            )
        })
        .count();
    ((1..=6).contains(&kanji) && digits == 0).then_some((start + kanji, true))
}

/// The end of block numbers that start at `start`; `lone` lets a single number do.
fn block(folded: &Folded, start: usize, lone: bool) -> Option<usize> {
    if folded.before(start).is_ascii_digit() {
        return None;
    }
    let (mut at, first_kanji) = numeral(folded, start)?;
    let (mut parts, mut marks, mut end) = (1, 0, at);
    loop {
        let (next, mark) = suffix(folded, at);
        if mark {
            marks += 1;
            end = next;
        }
        let joined = next > at;
        let after = skip_blank_in_block(folded, next, mark);
        let Some((further, _)) = numeral(folded, after).filter(|_| joined && parts < 6) else {
            break;
        };
        parts += 1;
        at = further;
        end = further;
    }
    let c = folded.at(end);
    // 「三番町」 is a town, 「3月」 a date, 「5名」 a count.
    if first_kanji && (marks == 0 && parts < 2 || matches!(c, '町' | '街' | '丁'))
        || c == '町' && marks < 2
    {
        return None;
    }
    if matches!(
        c,
        '月' | '年'
            | '時'
            | '円'
            | '%'
            | '人'
            | '名'
            | '件'
            | '個'
            | '台'
            | '社'
            | '歳'
            | '億'
            | '万'
            | '千'
            | '店'
            | '次'
            | '回'
            | '/'
            | ':'
            | '位'
            | '倍'
            | '割'
            | '本'
    ) {
        return None;
    }
    let clear = parts >= 2
        || marks >= 1
        || (lone && !first_kanji && !c.is_ascii_alphanumeric() && !is_kanji(c));
    clear.then_some(end)
}

fn skip_blank_in_block(folded: &Folded, at: usize, mark: bool) -> usize {
    if mark
        && folded.at(at) == ' '
        && folded.at(at + 1).is_ascii_digit()
        && {
            let run = folded.part(at + 1, at + 7);
            let digits = run.iter().take_while(|c| c.is_ascii_digit()).count();
            matches!((run.get(digits), run.get(digits + 1)), (Some('番' | '号' | '-'), next) if next != Some(&'室'))
        }
    {
        at + 1
    } else {
        at
    }
}

/// Behind a sign between block numbers, and whether that is a word.
fn suffix(folded: &Folded, at: usize) -> (usize, bool) {
    for word in [
        "丁目の",
        "丁目",
        "番地の",
        "番地",
        "番の",
        "番",
        "号",
        "地割",
        "丁",
    ] {
        if folded.has(at, word) {
            let end = at + word.chars().count();
            return (end + usize::from(folded.at(end) == '-'), true);
        }
    }
    let blank = usize::from(folded.at(at) == ' ');
    match folded.at(at + blank) {
        '-' | 'ー' | 'の' | 'ノ' | '~' => {
            let next = at + blank + 1;
            (next + usize::from(folded.at(next) == ' '), false)
        }
        _ => (at, false),
    }
}

/// The end of the building and room behind block numbers, or `end`.
fn building(folded: &Folded, end: usize) -> usize {
    let mut start = end;
    while start - end < 2 && matches!(folded.at(start), ' ' | '\u{3000}') {
        start += 1;
    }
    if let Some(room) = room(folded, start, start == end) {
        return room;
    }
    let part = folded.part(start, start + 24);
    let name = part
        .iter()
        .take_while(|c| is_town(**c) || c.is_ascii_alphabetic() || matches!(c, '&' | '\''))
        .count();
    let word = (0..name).rev().find_map(|at| {
        let (len, ()) = BUILDING.longest_at(part, at)?;
        (at + len <= name).then_some(at + len)
    });
    let kana = part.iter().take_while(|c| is_katakana(**c)).count();
    let numbered = folded.at(start + name).is_ascii_digit()
        || (folded.at(start + name) == ' ' && folded.at(start + name + 1).is_ascii_digit());
    let stop = match word {
        Some(word) => start + word,
        None if kana >= 3 && numbered && name >= kana => start + name,
        None => return end,
    };
    let wing = folded.part(stop, stop + 3);
    let stop = stop + usize::from(matches!(wing, [w, '棟' | '館', ..] if !is_hiragana(*w))) * 2;
    room(folded, skip_blank(folded, stop), false).unwrap_or(stop)
}

/// `１２０３号`, `5F`, `A-302号室`
fn room(folded: &Folded, start: usize, bare: bool) -> Option<usize> {
    let mut at = start;
    if bare && matches!(folded.at(at), '-') {
        at += 1;
    }
    if folded.at(at).is_ascii_uppercase()
        && (folded.at(at + 1).is_ascii_digit() || folded.at(at + 1) == '-')
    {
        at += 1 + usize::from(folded.at(at + 1) == '-');
    }
    let digits = folded
        .part(at, at + 5)
        .iter()
        .take_while(|c| c.is_ascii_digit())
        .count();
    if !(1..=4).contains(&digits) {
        return None;
    }
    let end = at + digits;
    for word in ["号室", "号", "階", "F", "f", "室"] {
        if folded.has(end, word) {
            return Some(end + word.chars().count());
        }
    }
    let before = folded.before(start);
    let named = is_katakana(before)
        || is_kanji(before)
        || before == ' ' && is_town(folded.before(start.saturating_sub(1)));
    let c = folded.at(end);
    (named
        && !bare
        && digits >= 2
        && !c.is_ascii_alphanumeric()
        && !matches!(c, '-' | '年' | '月' | '円' | '名' | '件'))
    .then_some(end)
}
