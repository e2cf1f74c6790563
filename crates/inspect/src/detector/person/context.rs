//! What the words around a name say.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::ends_name;
use super::words::{honorific, organisation_like};
use crate::lexicon::Lexicon;
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana, modern};

/// Whether a name at `start` would be the next one behind a person that ends at `last`, perhaps with an honorific
/// or something in brackets in between: 「佐藤（営業）、鈴木」.
pub(super) fn is_among(folded: &Folded, last: Option<usize>, start: usize) -> bool {
    const BETWEEN_MAX: usize = 16;
    let Some(last) = last.filter(|last| start > *last && start - *last <= BETWEEN_MAX) else {
        return false;
    };
    let between = folded.part(last, start);
    let (sign, title) = match between {
        [title @ .., sign, ' '] | [title @ .., sign] => (*sign, title),
        [] => return false,
    };
    if !matches!(sign, '、' | '・' | ',' | '/' | 'と' | '&' | '→' | '\n') {
        return false;
    }
    let (title, bracket) = match title.iter().position(|c| *c == '(') {
        Some(open) => title.split_at(open),
        None => (title, [].as_slice()),
    };
    let whole = matches!(bracket, [] | ['(', .., ')'])
        && bracket
            .iter()
            .filter(|c| matches!(c, '(' | ')' | '\n'))
            .count()
            <= 2;
    let polite = title.len() <= 4 && (title.is_empty() || honorific(folded, last));
    whole
        && polite
        && (sign != '\n' || !title.is_empty() || !bracket.is_empty())
        && title.iter().all(|c| is_kanji(*c) || is_hiragana(*c))
}

/// 「弊社の佐藤が伺います」: what follows somebody who does something, or to whom it is done.
pub(super) fn acts(folded: &Folded, at: usize) -> bool {
    [
        "が",
        "は",
        "も",
        "まで",
        "へ",
        "に",
        "より",
        "から",
        "を",
        "と",
        "宛",
        "って",
        "です",
        "でした",
        "でございま",
        "だけ",
        "ら",
        "自身",
        "まで",
        "側",
        "夫妻",
        "両名",
        "家",
        "または",
        "もしくは",
        "及び",
        "および",
        "か",
        "や",
        "→",
    ]
    .into_iter()
    .any(|word| folded.has(at, word))
        || ends_name(folded, at)
        || owns(folded, at)
}

/// 「佐藤の携帯」: what people have and companies or places do not.
fn owns(folded: &Folded, at: usize) -> bool {
    const OWNED: [&str; 24] = [
        "件",
        "携帯",
        "メール",
        "電話",
        "連絡先",
        "予定",
        "代わり",
        "代理",
        "後任",
        "上司",
        "部下",
        "方",
        "名前",
        "都合",
        "発言",
        "意見",
        "パソコン",
        "PC",
        "席",
        "アカウント",
        "承認",
        "確認",
        "対応",
        "報告",
    ];
    folded.at(at) == 'の' && OWNED.iter().any(|word| folded.has(at + 1, word))
}

/// What only people do, right behind or further on in the same clause: it makes a person of a word that is more
/// often a place or a thing.
pub(super) fn does(folded: &Folded, at: usize) -> bool {
    let by = ["が", "は", "も", "に", "から", "へ", "より", "を", "と"];
    let Some(particle) = by.iter().find(|word| folded.has(at, word)) else {
        return false;
    };
    deed(folded, at + particle.chars().count())
}

/// What people do and places may: for words that are hardly anything but names.
pub(super) fn does_something(folded: &Folded, at: usize) -> bool {
    let by = [
        "が", "は", "も", "に", "から", "へ", "より", "を", "と", "まで", "って", "だけ",
    ];
    let particle = by.iter().find(|particle| folded.has(at, particle));
    let further = |particle: &&str| clause(folded, at + particle.chars().count(), |_| true);
    particle.is_some_and(further) || owns(folded, at)
}

/// 「熊本です。」, 「と申します」
pub(super) fn says_so(folded: &Folded, at: usize) -> bool {
    ["です。", "です\n", "でございます", "と申し"]
        .iter()
        .any(|word| folded.has(at, word))
}

/// Whether the clause that goes on at `from` tells of what only people do.
fn deed(folded: &Folded, from: usize) -> bool {
    clause(folded, from, |only| only)
}

/// Whether one of the deeds that `counts` stands in the clause that goes on at `from`.
fn clause(folded: &Folded, from: usize, counts: fn(bool) -> bool) -> bool {
    const CLAUSE: usize = 14;
    let chars = folded.chars();
    for place in from..from + CLAUSE {
        if matches!(folded.at(place), '。' | '、' | '\n' | '\0' | ',') {
            return false;
        }
        let may = ALL_DEEDS.may_begin(folded.at(place), folded.at(place + 1));
        if may && ALL_DEEDS.at(chars, place).any(|(_, only)| counts(only)) {
            return true;
        }
    }
    false
}

/// Both lists; whether only people do it.
static ALL_DEEDS: LazyLock<Lexicon<bool>> = LazyLock::new(|| {
    let only = DEEDS.iter().map(|deed| (*deed, true));
    Lexicon::new(only.chain(MORE_DEEDS.iter().map(|deed| (*deed, false))))
});

/// What people do, and places in other senses.
#[rustfmt::skip]
const MORE_DEEDS: &[&str] = &["出ます", "出張", "外出", "在宅", "早退", "遅刻", "出勤", "欠勤", "有給", "復帰", "手配", "承諾", "快諾", "希望し", "提案し", "返信", "転送", "レビュー", "コメント", "担当", "作業", "伝え", "渡し", "送って", "見て", "来て", "来られ", "来ます", "来る", "いらっしゃ", "おっしゃ", "戻り", "戻っ", "折り返", "体調", "入院", "退院", "誕生日", "怒っ", "喜ん", "謝", "呼ん", "誘", "会っ", "会い", "待ち", "待って", "教えて", "預け", "知らせ", "聞き", "頼み", "手伝", "迎え", "詳し", "席を外", "離席", "苦手", "得意", "泣い", "笑っ", "辞め", "結婚", "出産", "育休", "産休", "夏休", "行き", "行って", "行く", "入り", "入って", "着いた", "書い", "作って", "直し", "フォロー", "チェック", "サポート", "伺"];

/// What only people do.
#[rustfmt::skip]
const DEEDS: [&str; 72] = ["説明が", "報告が", "質問が", "提案が", "指摘が", "回答が", "作成し", "対応", "担当し", "担当が", "確認", "承認し", "報告し", "説明し", "使用し", "参加し", "出席し", "司会", "連絡", "回答", "訪問", "送付し", "送信し", "依頼", "相談", "提出し", "伺い", "申し", "電話", "話し", "言っ", "聞い", "思っ", "休み", "来社", "着任", "就任", "異動", "退職", "入社", "退社", "昇進", "昇格", "欠席", "帰社", "直行", "直帰", "引き継", "引継", "交代", "不在", "調整し", "共有し", "質問", "指示", "了承", "了解", "反対し", "発言", "述べ", "語っ", "同行", "同席", "面談", "立ち会", "変更とな", "代わり", "お送り", "振って", "振り分け", "頼ん", "任せ"];

/// 「作業者：佐藤」, 「→鈴木」: a value alone behind a sign, whose name says nothing of places and companies.
pub(super) fn is_value(folded: &Folded, start: usize) -> bool {
    #[rustfmt::skip]
    const OTHERS: [&str; 32] = ["会場", "場所", "支店", "店舗", "拠点", "工場", "駅", "エリア", "地区", "メーカー", "ブランド", "行先", "行き先", "産地", "出身", "路線", "営業所", "会社", "取引先", "仕入先", "得意先", "都市", "地域", "勤務地", "府県", "町村", "支社", "本社", "開催地", "社名", "品名", "商品"];
    let mut at = start;
    while start - at < 2 && folded.before(at) == ' ' {
        at -= 1;
    }
    if !matches!(folded.before(at), ':' | '→' | '】') {
        return false;
    }
    at -= 1;
    while folded.before(at) == ' ' {
        at -= 1;
    }
    !folded.before(at).is_ascii_digit()
        && !OTHERS.iter().any(|word| {
            let len = word.chars().count();
            at >= len && folded.has(at - len, word)
        })
}

/// 「承認：根本」: a value alone behind what people do and places do not.
pub(super) fn signs(folded: &Folded, start: usize) -> bool {
    #[rustfmt::skip]
    const DEEDS: [&str; 14] = ["承認", "確認", "作成", "決裁", "審査", "担当", "対応", "受付", "記入", "起案", "査閲", "照査", "検印", "発言"];
    let mut at = start;
    while start - at < 2 && folded.before(at) == ' ' {
        at -= 1;
    }
    folded.before(at) == ':' && at >= 3 && DEEDS.iter().any(|word| folded.has(at - 3, word))
}

/// A name that is a line of its own, as under a letter; a line break may be escaped, as in JSON.
pub(super) fn is_line(folded: &Folded, start: usize, end: usize) -> bool {
    let escaped = |at: usize| folded.part(at, at + 2) == ['\\', 'n'];
    // 「以上、佐藤」 ends a letter.
    let signed = start >= 3 && folded.has(start - 3, "以上、");
    let begins = signed || folded.before(start) == '\n' || start >= 2 && escaped(start - 2);
    let ends = matches!(folded.at(end), '\n' | '\0' | '"') || escaped(end);
    begins && ends
}

/// 「佐藤: 了解です」 at the beginning of a line, or a name before or behind a time: who says it.
pub(super) fn speaks(folded: &Folded, start: usize, end: usize) -> bool {
    let begins = matches!(folded.before(start), '\n' | '\0' | '>' | ']');
    let colon = (folded.at(end) == ':' || folded.part(end, end + 2) == [' ', ':'])
        && !folded.at(end + 1).is_ascii_digit()
        && folded.at(end + 1) != '/';
    let line = matches!(folded.before(start), '\n' | '\0');
    (begins || logged(folded, start)) && colon
        || line && folded.at(end) == '「'
        || line && folded.at(end) == ' ' && time(folded, end + 1)
}

/// Whether the line before `start` begins with the person that ends at `last`, and is what they say.
pub(super) fn in_talk(folded: &Folded, last: Option<usize>, start: usize) -> bool {
    const LINE_MAX: usize = 200;
    let Some(last) = last.filter(|last| start > *last && start - *last <= LINE_MAX) else {
        return false;
    };
    folded.at(last) == ':'
        && folded.before(start) == '\n'
        && folded
            .part(last, start)
            .iter()
            .filter(|c| **c == '\n')
            .count()
            == 1
}

/// 「福井：承知しました」: what only somebody in a conversation says, behind the colon at `end`.
pub(super) fn replies(folded: &Folded, end: usize) -> bool {
    const REPLIES: [&str; 14] = [
        "承知",
        "了解",
        "はい",
        "いいえ",
        "いえ",
        "ありがとう",
        "すみません",
        "お疲れ",
        "お願いし",
        "なるほど",
        "いいですね",
        "わかりました",
        "分かりました",
        "申し訳",
    ];
    let from = end + 1 + usize::from(folded.at(end + 1) == ' ');
    REPLIES.iter().any(|reply| folded.has(from, reply))
}

/// 「[10:21] 」, 「10:21 」 right before `start`: what a chat writes before who says something.
pub(super) fn logged(folded: &Folded, start: usize) -> bool {
    const TIME: usize = 5;
    let Some(blank) = start.checked_sub(1).filter(|at| folded.at(*at) == ' ') else {
        return false;
    };
    matches!(folded.before(blank), ']' | '>') || blank >= TIME && time(folded, blank - TIME)
}

/// Whether the line of `start` begins with a time or something in brackets before it.
pub(super) fn time_before(folded: &Folded, start: usize) -> bool {
    const TIME: usize = 5;
    let blanks = usize::from(folded.before(start) == ' ');
    let stop = start - blanks;
    folded.before(stop) == ']'
        || (TIME..=TIME + 3).any(|back| stop >= back && time(folded, stop - back))
}

/// `10:21`
fn time(folded: &Folded, at: usize) -> bool {
    matches!(folded.part(at, at + 5), [a, b, ':', c, d]
        if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()))
}

/// 「私と佐藤で対応します」: among those who do something together.
pub(super) fn joins(folded: &Folded, start: usize, end: usize) -> bool {
    matches!(folded.before(start), 'と' | 'は' | '、')
        && folded.at(end) == 'で'
        && deed(folded, end + 1)
}

/// 「お世話になっております。山田です」, 「鈴木と申します」
pub(super) fn introduced(folded: &Folded, start: usize, end: usize) -> bool {
    let before = folded.before(start);
    let escaped = start >= 2 && folded.part(start - 2, start) == ['\\', 'n'];
    let begins = matches!(before, '。' | '\n' | '\0' | '」') || escaped;
    let head = begins || matches!(before, '、' | 'の' | '!' | ' ' | 'た');
    let says = [
        "です",
        "でございます",
        "と申します",
        "と申し",
        "と言います",
        "といいます",
    ];
    let said = says.iter().any(|word| folded.has(end, word));
    let weak = ["より", "から", "に確認", "宛", "へ連絡", "に連絡"];
    let told = weak.iter().any(|word| folded.has(end, word));
    let place = is_place(folded.part(start, end));
    let named = || {
        before == 'の'
            && (["でございます", "と申し"]
                .iter()
                .any(|word| folded.has(end, word))
                || of_company(folded, start - 1))
    };
    said && head && (!place || begins || named()) || told && begins && !place && end - start >= 2
}

/// Surnames that are more often a place, a company or a thing.
pub(super) fn is_place(word: &[char]) -> bool {
    match word {
        [a, b] => PLACES.contains(&[*a, *b, '\0']),
        [a, b, c] => PLACES.contains(&[*a, *b, *c]),
        _ => false,
    }
}

/// Names of cities, unless they are frequent surnames, and [`THINGS`].
static PLACES: LazyLock<HashSet<[char; 3]>> = LazyLock::new(|| {
    const FREQUENT: usize = 400;
    let key = |word: &str| {
        let mut chars = word.chars();
        let mut next = || chars.next().map_or('\0', modern);
        [next(), next(), next()]
    };
    let people: HashSet<[char; 3]> = include_str!("../../../data/surnames.txt")
        .lines()
        .take(FREQUENT)
        .filter_map(|line| line.split(' ').next().map(key))
        .collect();
    let cities = include_str!("../../../data/municipalities.txt")
        .lines()
        .filter_map(|name| {
            let ward = name.strip_suffix('区');
            let ward = ward.and_then(|ward| ward.split('市').next_back());
            name.strip_suffix('市').or(ward)
        })
        .filter(|name| name.chars().count() <= 3)
        .map(key)
        .filter(|name| !people.contains(name));
    cities.chain(THINGS.iter().map(|word| key(word))).collect()
});

/// Prefectures, quarters, stations, companies and words.
#[rustfmt::skip]
const THINGS: &[&str] = &["宮崎", "福島", "石川", "山口", "千葉", "長崎", "大分", "岡山", "秋田", "山形", "富山", "福井", "長野", "香川", "徳島", "広島", "大阪", "東京", "京都", "奈良", "神戸", "横浜", "川崎", "福岡", "札幌", "仙台", "高松", "松山", "熊本", "佐賀", "大宮", "前橋", "水戸", "青森", "岩手", "宮城", "栃木", "静岡", "三重", "滋賀", "和歌山", "鳥取", "島根", "高知", "成田", "渋谷", "新宿", "品川", "上野", "目黒", "豊田", "小山", "浦和", "本社", "平和島", "赤羽", "神田", "葛西", "蒲田", "大森", "大崎", "五反田", "赤坂", "六本木", "青山", "戸塚", "鶴見", "梅田", "難波", "天王寺", "小倉", "八幡", "博多", "会津", "関西", "関東", "出口", "入江", "西口", "北口", "東口", "南口", "根本", "馬場", "高原", "鳥居", "石垣", "山野", "野原", "水田", "田畑", "原野", "平原", "河原", "河口", "川端", "川岸", "川辺", "井戸", "竹林", "松林", "松葉", "山路", "山地", "山際", "山上", "山中", "三角", "四方", "一色", "仲間", "大家", "古本", "別所", "下地", "下山", "長屋", "新居", "新家", "新開", "新妻", "新田", "本山", "朝日", "春日", "大和", "白鳥", "真下", "水上", "小口", "南部", "下野", "大関", "大門", "大道", "大黒", "中道", "中元", "国分", "本田", "松下", "三井", "住友", "安田", "佐川", "土方", "日向", "常盤", "瀬戸", "木場", "名取", "向後", "有馬", "草津", "熱海", "軽井沢", "日光", "本郷", "早稲田", "立川", "永田町", "市川", "岡崎", "高山", "川口", "金沢", "長岡", "町田", "中野", "板橋", "松島", "小松"];

/// Whether a word of two characters for a member of a family stands at `at`.
pub(super) fn kin_at(folded: &Folded, at: usize) -> bool {
    #[rustfmt::skip]
    const KIN: [&str; 26] = ["長男", "長女", "次男", "次女", "二男", "二女", "三男", "三女", "四男", "四女", "息子", "祖母", "祖父", "伯父", "伯母", "叔父", "叔母", "養子", "養女", "義父", "義母", "孫娘", "亡父", "亡母", "亡夫", "亡妻"];
    // Most kanji end here.
    matches!(
        folded.at(at + 1),
        '男' | '女' | '子' | '母' | '父' | '娘' | '夫' | '妻'
    ) && KIN.iter().any(|word| folded.has(at, word))
}

/// 「長男の」, 「妻」 right before `start`.
pub(super) fn kin_before(folded: &Folded, start: usize) -> bool {
    let at = start - usize::from(folded.before(start) == 'の');
    let single = matches!(
        folded.before(at),
        '妻' | '夫' | '父' | '母' | '娘' | '孫' | '姉' | '妹' | '兄' | '弟'
    ) && !is_kanji(folded.before(at.saturating_sub(1)));
    single || at >= 2 && kin_at(folded, at - 2)
}

/// Whether the word before 「の」 at `no` ends as the names of companies and their parts do: 「甲乙精機の」, 「経理課の」.
pub(super) fn of_company(folded: &Folded, no: usize) -> bool {
    const NAME_MAX: usize = 8;
    let before = folded.part(no.saturating_sub(NAME_MAX), no);
    let letters = before
        .iter()
        .rev()
        .take_while(|c| is_kanji(**c) || is_katakana(**c))
        .count();
    folded.at(no) == 'の'
        && letters >= 3
        && organisation_like(before.get(before.len() - letters..).unwrap_or_default())
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
