//! What the words around a name say.

use super::{ends_name, honorific};
use crate::text::{Folded, is_hiragana, is_kanji};

/// Whether a name at `start` would be the next one behind a person that ends at `last`, perhaps with an honorific
/// in between.
pub(super) fn is_among(folded: &Folded, last: Option<usize>, start: usize) -> bool {
    let Some(last) = last.filter(|last| start > *last && start - *last <= 5) else {
        return false;
    };
    let between = folded.part(last, start);
    let (sign, title) = match between {
        [title @ .., sign, ' '] | [title @ .., sign] => (*sign, title),
        [] => return false,
    };
    matches!(sign, '、' | '・' | ',' | '/' | 'と' | '&')
        && (title.is_empty() || honorific(folded, last))
        && title.iter().all(|c| is_kanji(*c) || is_hiragana(*c))
}

/// 「弊社の佐藤が伺います」: what follows somebody who does something, or to whom it is done.
pub(super) fn acts(folded: &Folded, at: usize) -> bool {
    let follows = |word: &str| {
        folded
            .part(at, at + word.chars().count())
            .iter()
            .copied()
            .eq(word.chars())
    };
    [
        "が", "は", "も", "まで", "へ", "に", "より", "から", "を", "と", "宛",
    ]
    .into_iter()
    .any(follows)
        || ends_name(folded, at)
}

/// 「佐藤: 了解です」 at the beginning of a line: who says it.
pub(super) fn speaks(folded: &Folded, start: usize, end: usize) -> bool {
    matches!(folded.before(start), '\n' | '\0' | '>' | ']')
        && (folded.at(end) == ':' || folded.part(end, end + 2) == [' ', ':'])
        && !folded.at(end + 1).is_ascii_digit()
        && folded.at(end + 1) != '/'
}

/// 「お世話になっております。山田です」, 「鈴木と申します」
pub(super) fn introduced(folded: &Folded, start: usize, end: usize) -> bool {
    let head = matches!(
        folded.before(start),
        '。' | '\n' | '\0' | '、' | 'の' | '!' | ' ' | '」' | '：'
    );
    let says = [
        "です",
        "でございます",
        "と申します",
        "と申し",
        "より",
        "から",
        "に確認",
        "宛",
        "へ連絡",
        "に連絡",
    ];
    let follows = |word: &&str| {
        folded
            .part(end, end + word.chars().count())
            .iter()
            .copied()
            .eq(word.chars())
    };
    let strong = says.iter().take(4).any(&follows);
    let weak = says.iter().skip(4).any(follows)
        && end - start >= 2
        && matches!(folded.before(start), '。' | '\n' | '\0' | '、' | '」');
    head && (strong && end - start >= 2 && !is_place(folded.part(start, end))
        || weak && !is_place(folded.part(start, end)))
}

/// Surnames that are names of prefectures and big cities.
pub(super) fn is_place(word: &[char]) -> bool {
    [
        "宮崎",
        "福島",
        "石川",
        "山口",
        "千葉",
        "長崎",
        "大分",
        "岡山",
        "秋田",
        "山形",
        "富山",
        "福井",
        "長野",
        "香川",
        "徳島",
        "広島",
        "大阪",
        "東京",
        "京都",
        "奈良",
        "神戸",
        "横浜",
        "川崎",
        "福岡",
        "札幌",
        "仙台",
        "高松",
        "松山",
        "熊本",
        "佐賀",
        "大宮",
        "前橋",
        "水戸",
        "青森",
        "岩手",
        "宮城",
        "栃木",
        "静岡",
        "三重",
        "滋賀",
        "和歌山",
        "鳥取",
        "島根",
        "高知",
        "成田",
        "渋谷",
        "新宿",
        "品川",
        "上野",
        "目黒",
        "豊田",
        "小山",
        "浦和",
        "本社",
        "平和島",
    ]
    .iter()
    .any(|place| place.chars().eq(word.iter().copied()))
}

/// Words before 様 and さん that are nobody's name.
pub(super) fn is_role(word: &[char]) -> bool {
    [
        "大工", "左官", "本屋", "花屋", "魚屋", "肉屋", "酒屋", "薬屋", "芸人", "職人", "農家",
        "漁師", "庭師", "両親", "皆々", "神", "仏", "王", "奥", "娘", "息子", "旦那", "大家",
        "仲間", "田舎", "子供", "天", "上", "下", "外", "内", "国", "市", "町", "村", "県",
    ]
    .iter()
    .any(|role| role.chars().eq(word.iter().copied()))
}

/// Frequent surnames that are hardly ever the name of a place, a company or anything else.
#[rustfmt::skip]
const UNMISTAKABLE: [&str; 52] = ["佐藤", "鈴木", "高橋", "田中", "渡辺", "渡邊", "渡邉", "伊藤", "中村", "小林", "加藤", "吉田", "山田", "佐々木", "井上", "木村", "斎藤", "齋藤", "斉藤", "山本", "阿部", "橋本", "山崎", "中島", "藤田", "後藤", "岡田", "近藤", "青木", "坂本", "遠藤", "藤井", "西村", "藤原", "竹内", "原田", "田村", "森田", "柴田", "酒井", "工藤", "宮本", "内田", "高木", "安藤", "谷口", "今井", "藤本", "武田", "杉山", "増田", "小島"];

/// Whether a word is a name wherever it stands.
pub(super) fn is_unmistakable(word: &[char]) -> bool {
    UNMISTAKABLE
        .iter()
        .any(|name| name.chars().eq(word.iter().copied()))
}
