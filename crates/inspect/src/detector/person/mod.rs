//! 氏名 in kanji, kana and Latin letters. A name alone is a word like others; what makes it a name is its
//! surroundings: an honorific or title behind it, a label or column before it, or surname and given name
//! together.

mod context;
mod full;
mod script;
mod unlisted;

use std::collections::HashMap;
use std::sync::LazyLock;

use self::context::{
    acts, does, introduced, is_among, is_line, is_place, is_role, is_value, joins, logged, signs,
    speaks,
};
use self::full::{closed, full_name, spread_name, titled_name};
use self::script::{kana, latin};
use self::unlisted::{ranked, ring_name, unlisted_name, unlisted_surname};
use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::label::{Label, Tag};
use crate::lexicon::Lexicon;
use crate::names::{NAMES, Names};
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana};

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::Person,
    version: 3,
    approach: "surnames, given names and their characters, with honorifics, titles, labels, columns; kana, Latin",
    find,
};

/// What stands behind a person. The longest word decides, so that 「様子」 is not 「様」.
#[rustfmt::skip]
static HONORIFICS: LazyLock<Lexicon<bool>> = LazyLock::new(|| {
    let yes = ["様", "様方", "さま", "さん", "さーん", "さぁん", "ちゃーん", "先輩", "嬢", "翁", "氏", "殿", "君", "くん", "ちゃん", "先生", "教授", "准教授", "講師", "博士", "医師", "弁護士", "税理士", "社労士", "会計士", "司法書士", "行政書士", "看護師", "部長", "課長", "係長", "主任", "社長", "副社長", "専務", "常務", "取締役", "会長", "副会長", "代表", "室長", "次長", "所長", "支店長", "店長", "工場長", "本部長", "事業部長", "執行役員", "監査役", "顧問", "理事", "理事長", "委員", "委員長", "議員", "知事", "市長", "町長", "大臣", "首相", "監督", "選手", "主査", "主幹", "主事", "参事", "リーダー", "マネージャー", "マネジャー", "ディレクター", "グループ長", "チーム長", "班長", "局長", "院長", "校長", "園長", "教諭", "記者", "夫妻", "ご夫妻", "容疑者", "被告", "被告人", "さまの", "女史", "審議官", "参与", "課長補佐", "代理", "部長代理", "課長代理", "副部長", "副課長", "統括部長", "担当部長", "サブリーダー", "エンジニア", "コーチ", "棋士", "九段", "宛", "両名", "総理", "各位", "容疑", "本人", "ドクター", "師長", "室長代理", "シニアマネージャー", "部門長", "センター長", "館長", "騎手", "投手", "捕手", "力士", "大統領", "判事", "都知事", "府知事", "県知事", "副大臣", "大使", "元首相", "前首相", "首席", "主席", "書記長", "幹事長", "党首", "少年", "少女", "受験生", "関", "頭取", "副頭取", "オーナー", "役員", "アナウンサー", "アナ", "キャスター", "党首", "長官", "議長", "副議長", "官房長官", "国務長官", "元大統領", "前大統領", "夫人", "外相", "財務相", "国防相", "内野手", "外野手", "初段", "二段", "三段", "四段", "五段", "六段", "七段", "八段", "名人", "画伯", "作曲家", "CEO", "CTO", "CFO", "COO", "社員", "職員", "スタッフ", "組合長", "支部長", "係員", "主任研究員", "研究員", "助教", "薬剤師", "保健師", "整備士", "技師", "所員", "パートナー", "マネジャ", "課員", "隊長", "団長", "住職"];
    let no = ["代理店", "代理人", "氏名", "様子", "様式", "様々", "様相", "様態", "殿下", "殿堂", "氏族", "君主", "代表取締役会", "代表者", "代表例", "代表的", "監督署", "監督官", "選手権", "主任者試験", "店長会", "委員会", "理事会", "役員会", "議員連盟", "社長室", "先生方", "博士課程", "教授会", "会長職", "記者会見", "顧問契約", "取締役会", "部長会", "課長会", "君が代", "宛名", "宛先", "役員報酬", "本人確認", "大臣官房"];
    Lexicon::new(yes.map(|word| (word, true)).into_iter().chain(no.map(|word| (word, false))))
});

/// What stands before a name without being part of it.
#[rustfmt::skip]
const LEADS: &[&str] = &["者", "人", "私", "無職", "店員", "会社員", "公務員", "学生", "大学生", "高校生", "作家", "歌手", "俳優", "女優", "歌人", "画家", "棋士", "評論家", "建築家", "写真家", "経営者", "創業者", "責任者", "出身の", "次官", "三男", "四男", "三女", "二男", "二女", "長老", "容疑者", "本人の", "相手の", "相手は", "担当は", "窓口は", "責任者は", "議長は", "司会は", "株式会社", "有限会社", "合同会社", "(株)", "(有)", "部", "課", "室", "係", "局", "班", "支店", "営業所", "本部", "グループ", "チーム", "センター", "支社", "本社", "工場", "担当", "担当者", "担当の", "社長", "部長", "課長", "係長", "主任", "取締役", "会長", "代表", "代表者", "代表理事", "店長", "所長", "医師", "弁護士", "税理士", "社労士", "氏名", "名前", "名義", "乙", "甲", "氏", "様", "殿", "社員", "職員", "講師", "監督", "選手", "教授", "患者", "顧客", "故", "亡", "同", "現", "元", "前", "新任の", "リーダー", "マネージャー", "事務局", "委員", "理事", "事業部", "営業部の", "人事部の", "総務部の", "経理部の", "部の", "課の", "室の", "社の", "係の", "店の", "院の", "所の", "校の", "会社の", "長の", "者の", "先の", "客様の", "本日", "昨日", "昨夜", "昨晩", "今晩", "今夜", "先週", "今週", "来週", "先月", "今月", "来月", "翌日", "当日", "同日", "後日", "午前", "午後", "毎朝", "横綱", "大関", "関脇", "小結", "先日", "今回", "今朝", "明日", "前回", "次回", "弊社", "当社", "御社", "貴社", "同社", "同席", "妻", "夫", "長男", "長女", "次男", "次女", "母", "父", "後任の", "前任の", "上司の", "部下の", "同僚の", "友人の", "弊社の", "当社の", "御社の", "貴社の", "同社の", "担当者の", "責任者の", "営業担当の", "窓口の", "社員の", "メンバーの", "チームの", "本社の", "支店の", "支社の", "部長の", "課長の", "係長の", "主任の", "社長の", "リーダーの", "マネージャーの", "マネジャーの", "代表の", "代理の", "講師の", "秘書の", "事務局の", "総務の", "人事の", "経理の", "営業の", "法務の", "開発の", "情シスの", "広報の", "購買の", "技術の", "企画の", "新入社員の", "中途入社の", "同期の", "先輩の", "後輩の", "同僚の"];

/// What stands behind the surname in the names of companies, places and things.
#[rustfmt::skip]
const ORGANISATIONS: &[&str] = &["出身", "在住", "商事", "商店", "商会", "工務店", "運輸", "運送", "建設", "産業", "電機", "電気", "電器", "製作所", "製薬", "製菓", "製造", "工業", "興業", "物産", "物流", "不動産", "銀行", "病院", "医院", "大学", "高校", "学園", "学校", "駅", "市", "町", "村", "区", "県", "営業所", "支店", "支社", "工場", "事務所", "法律", "会計", "組", "建築", "設計", "印刷", "食品", "酒造", "醸造", "水産", "農園", "牧場", "旅館", "書店", "薬局", "クリニック", "歯科", "内科", "外科", "株式会社", "有限会社", "ホールディングス", "グループ", "システム", "電鉄", "鉄道", "自動車", "モーター", "証券", "保険", "化学", "金属", "鉄工", "木材", "石油", "化成", "空港", "港", "川", "山", "橋", "通り", "台", "丘", "郡", "島", "城", "寺", "神社", "神宮", "公園", "球場", "道路", "街道", "温泉", "圃", "家", "屋", "店", "堂", "園", "館", "荘", "邸", "湖", "岳", "峠", "坂", "門", "池", "沢", "谷", "原発", "米", "牛", "茶", "酒", "焼", "織", "技研", "精機", "精工", "紡績", "繊維", "製紙", "製鉄", "製鋼", "塗装", "設備", "総業", "総研", "財団", "本線", "線", "方面", "地区", "地方", "周辺", "市内", "県内", "駅前", "新聞", "放送", "出版", "信金", "信用", "労基", "税務署", "警察", "消防", "裁判", "法務局", "年金", "免許", "本店", "部", "課"];

fn find(document: &Document, found: &mut Vec<Match>) {
    let names = &*NAMES;
    let folded = &document.folded;
    let mut at = 0;
    let mut previous = '\0';
    // Where the last person ends.
    let mut last = None;
    while let Some(c) = folded.chars().get(at).copied() {
        let end = if is_kanji(c) {
            kanji(document, names, at, last)
        } else if (is_katakana(c) && !is_katakana(previous))
            || (is_hiragana(c) && c != 'ー' && !is_hiragana(previous))
        {
            kana(document, names, at)
        } else if c.is_ascii_uppercase()
            && !previous.is_ascii_alphanumeric()
            && !matches!(previous, '_' | '-' | '.' | '/')
        {
            latin(document, names, at)
        } else {
            None
        };
        let next = if let Some((end, confidence)) = end {
            Document::push(found, Kind::Person, at, end, confidence);
            last = Some(end);
            end
        } else {
            at + 1
        };
        previous = folded.before(next);
        at = next;
    }
    columns(document, names, found);
}

/// What speaks for a name at a place.
#[derive(Debug, Clone, Copy)]
struct Evidence {
    /// A label or the heading of a column right before it.
    label: bool,
    /// No letter of the same script before it, or a word that leads to a name.
    boundary: bool,
    /// A phrase that leads to a name, such as 「弊社の」.
    lead: bool,
    /// The next one of several people: 「佐藤様、鈴木様」.
    among: bool,
    /// Only one kanji leads to the name, as 「元」: it may as well be the first of a word.
    weak: bool,
}

fn evidence(document: &Document, start: usize) -> Evidence {
    let folded = &document.folded;
    let before = folded.before(start);
    let behind = document.labels.partition_point(|label| label.end <= start);
    let near = behind.checked_sub(1).and_then(|at| document.labels.get(at));
    let label = near.is_some_and(|label| {
        label.tag == Tag::Name && start - label.end <= 4 && {
            folded.part(label.end, start).iter().all(|c| {
                matches!(
                    c,
                    ' ' | ':'
                        | '='
                        | '"'
                        | '\''
                        | '('
                        | ')'
                        | '「'
                        | '\t'
                        | 'は'
                        | 'の'
                        | '・'
                        | '['
                        | ']'
                        | '】'
                        | '\n'
                        | '>'
                        | '-'
                        | '|'
                        | '/'
                )
            })
        }
    }) || document
        .cell(start)
        .is_some_and(|cell| cell.start == start && cell.tag == Some(Tag::Name));
    let lead = LEAD.get(&before).and_then(|leads| {
        let here = |lead: &&Vec<char>| {
            folded.part(start.saturating_sub(lead.len()), start) == lead.as_slice()
        };
        leads.iter().filter(here).map(Vec::len).max()
    });
    Evidence {
        label,
        boundary: !is_kanji(before) || label || lead.is_some(),
        lead: lead.is_some_and(|length| length >= 2) && before == 'の',
        among: false,
        weak: is_kanji(before) && !label && lead == Some(1) && before != '私',
    }
}

/// The title or honorific at `at`, past one blank.
fn honorific(folded: &Folded, at: usize) -> bool {
    title_len(folded, at + usize::from(folded.at(at) == ' ')).is_some()
}

/// The length of the title or honorific at `at`.
fn title_len(folded: &Folded, at: usize) -> Option<usize> {
    if !HONORIFICS.may_begin(folded.at(at), folded.at(at + 1)) {
        return None;
    }
    let (len, yes) = HONORIFICS.longest_at(folded.chars(), at)?;
    yes.then_some(len)
}

/// Whether a title begins before `at` and goes on: 「部長」 at 「長」.
fn within_title(folded: &Folded, at: usize) -> bool {
    is_kanji(folded.before(at))
        && (1..=at.min(2)).any(|back| title_len(folded, at - back).is_some_and(|len| len > back))
}

fn organisation(folded: &Folded, at: usize) -> bool {
    organisation_word(folded, at).is_some()
}

/// The length of the word at `at` that ends the names of companies and places.
fn organisation_word(folded: &Folded, at: usize) -> Option<usize> {
    ORGANISATION
        .longest_at(folded.chars(), at)
        .map(|(len, ())| len)
}

static ORGANISATION: LazyLock<Lexicon<()>> =
    LazyLock::new(|| Lexicon::new(ORGANISATIONS.iter().map(|word| (*word, ()))));

/// [`LEADS`] by their last character.
static LEAD: LazyLock<HashMap<char, Vec<Vec<char>>>> = LazyLock::new(|| {
    let mut leads: HashMap<char, Vec<_>> = HashMap::new();
    for lead in LEADS {
        if let Some(last) = lead.chars().next_back() {
            leads.entry(last).or_default().push(lead.chars().collect());
        }
    }
    leads
});

fn kanji(
    document: &Document,
    names: &Names,
    start: usize,
    last: Option<usize>,
) -> Option<(usize, u8)> {
    let folded = &document.folded;
    // Within a run of kanji only a listed surname can begin; most places end here.
    if is_kanji(folded.before(start))
        && !names
            .surnames
            .may_begin(folded.at(start), folded.at(start + 1))
    {
        return ranked(folded, start);
    }
    let labels = &document.labels;
    let label = labels.partition_point(|label| label.start < start);
    let is_label = |label: &Label| {
        let value = matches!(folded.at(label.end), ' ' | ':' | '(' | '"');
        label.start == start && label.tag == Tag::Name && (label.end - start >= 2 || value)
    };
    if labels.get(label).is_some_and(is_label) || within_title(folded, start) {
        return None;
    }
    let mut evidence = evidence(document, start);
    evidence.among = is_among(folded, last, start);
    let clues = (evidence.label, evidence.boundary);
    if folded.at(start + 1) == ' '
        && let Some(spread) = spread_name(folded, names, start)
    {
        return Some(spread);
    }
    names
        .surnames
        .at(folded.chars(), start)
        .filter(|(len, ())| *len < 6)
        .find_map(|(len, ())| {
            let known = || known_surname(folded, names, start, len, evidence);
            full_name(folded, names, start, len, clues)
                .or_else(|| evidence.boundary.then(known).flatten())
        })
        .or_else(|| {
            let found = evidence.boundary.then(|| {
                unknown_surname(folded, names, start, evidence)
                    .or_else(|| unlisted_name(document, names, start, evidence))
                    .or_else(|| ranked(folded, start).or_else(|| ring_name(folded, start)))
                    .or_else(|| unlisted_surname(folded, names, start, evidence))
                    .or_else(|| titled_name(folded, names, start))
                    .or_else(|| lone_given(document, names, start, evidence))
            });
            found.flatten()
        })
}

/// A given name alone: as a value of its own, or 「翔太くん」.
fn lone_given(
    document: &Document,
    names: &Names,
    start: usize,
    evidence: Evidence,
) -> Option<(usize, u8)> {
    let folded = &document.folded;
    let end = start + run(folded, start, 4);
    let cell = document
        .cell(start)
        .is_some_and(|cell| cell.start == start && cell.end == end);
    let value = evidence.label && (cell || matches!(folded.at(end), '"' | '\'' | '\n' | '\0'));
    let word = folded.part(start, end);
    if value && names.is_listed_given(word) {
        return Some((end, 74));
    }
    let close = ["くん", "ちゃん", "さん", "君"];
    let called = (2..=word.len()).find(|len| {
        let word = folded.part(start, start + len);
        let honored = close.iter().any(|title| folded.has(start + len, title));
        honored && names.is_listed_given(word) && !is_role(word) && !organisation_like(word)
    })?;
    evidence.boundary.then_some((start + called, 64))
}

/// How many blanks follow, if a name may go on behind them.
fn blanks(folded: &Folded, at: usize) -> usize {
    const BLANKS_MAX: usize = 3;
    let part = folded.part(at, at + BLANKS_MAX + 1);
    let blanks = part.iter().take_while(|c| **c == ' ').count();
    if blanks > BLANKS_MAX { 0 } else { blanks }
}

/// How many kanji follow from `at`, up to `max`.
fn run(folded: &Folded, at: usize, max: usize) -> usize {
    folded
        .part(at, at + max)
        .iter()
        .take_while(|c| is_kanji(**c))
        .count()
}

fn known_surname(
    folded: &Folded,
    names: &Names,
    start: usize,
    len: usize,
    evidence: Evidence,
) -> Option<(usize, u8)> {
    let end = start + len;
    let gap = blanks(folded, end);
    if gap > 0 || folded.at(end) == '・' && evidence.label {
        let next = end + gap.max(1);
        let given = given(folded, names, next, true)
            .or_else(|| free_given(folded, next, evidence.label))
            .or_else(|| said_given(folded, next));
        if let Some(given) = given {
            return Some((given, if len > 1 || evidence.label { 92 } else { 82 }));
        }
    }
    if honorific(folded, end) && is_role(folded.part(start, end)) {
        return None;
    }
    if honorific(folded, end) {
        let single = len == 1 && !evidence.label;
        let before = folded.before(start);
        let free = !is_hiragana(before) || matches!(before, 'の' | 'は' | 'が' | 'と' | 'に');
        let quarter = matches!(folded.at(start), '南' | '北' | '西') && !is_hiragana(before);
        let usual = SINGLE.contains(&folded.at(start)) && free || quarter;
        if !single || !is_common(folded.at(start)) || usual {
            return Some((end, 90));
        }
    }
    if !organisation(folded, end)
        && let Some(given) = given(folded, names, end, evidence.label)
    {
        let size = given - start;
        let strong = evidence.label || honorific(folded, given);
        let whole = names.is_clearly_given(folded.part(end, given));
        if strong
            || (len >= 2 && size >= 4 && whole)
            || (len >= 2 && size == 3 && whole && ends_name(folded, given))
        {
            return Some((given, if strong { 90 } else { 72 }));
        }
    }
    if len >= 2
        && !organisation(folded, end)
        && let Some(given) = free_given(folded, end, evidence.label)
    {
        return Some((given, 78));
    }
    let alone = !is_kanji(folded.at(end)) && !is_katakana(folded.at(end)) && folded.at(end) != 'の';
    if evidence.label && alone && !organisation(folded, end) {
        return Some((end, 80));
    }
    alone_surname(folded, start, end, evidence)
}

/// A surname without a given name, a title or a label.
fn alone_surname(
    folded: &Folded,
    start: usize,
    end: usize,
    evidence: Evidence,
) -> Option<(usize, u8)> {
    let next = folded.at(end);
    if evidence.weak || is_katakana(next) || is_kanji(next) && !acts(folded, end) {
        return None;
    }
    let (word, before) = (folded.part(start, end), folded.before(start));
    if word.len() == 1 {
        let free = !is_kanji(before) && !is_hiragana(before) && !is_katakana(before);
        let known = SINGLE.contains(&folded.at(start)) && (free || evidence.lead || before == 'た');
        let acts =
            does(folded, end) || introduced(folded, start, end) || speaks(folded, start, end);
        return (known && (acts || before == '@')).then_some((end, 62));
    }
    let place = is_place(word);
    let counted = next == 'の'
        && matches!(
            folded.at(end + 1),
            '0'..='9' | '両' | '二' | '三' | '四' | '各' | '順'
        );
    let listed = ends_name(folded, end) || matches!(next, '両' | 'ほ' | '他' | '及') || counted;
    let confidence = match () {
        () if speaks(folded, start, end) && (!place || logged(folded, start)) => 76,
        () if introduced(folded, start, end) => 80,
        () if evidence.lead && acts(folded, end) && (!place || does(folded, end)) => 74,
        () if evidence.among && listed && !place => 70,
        () if counted && !place => 68,
        () if evidence.among && listed && next == '(' => 60,
        () if is_value(folded, start) && ends_name(folded, end) && !place => 70,
        () if (before == '@' || is_line(folded, start, end)) && !place => 66,
        () if place && (does(folded, end) || signs(folded, start)) => 62,
        () if !place && joins(folded, start, end) => 64,
        () if !place && !is_katakana(before) && acts(folded, end) => 66,
        () => return None,
    };
    Some((end, confidence))
}

/// Surnames of one character that are no other word where somebody does something.
#[rustfmt::skip]
const SINGLE: [char; 26] = ['森', '林', '原', '関', '辻', '堀', '岡', '菅', '柳', '沢', '滝', '堤', '榊', '轟', '乾', '巽', '畑', '牧', '峯', '柴', '東', '谷', '星', '泉', '平', '荒'];

/// Surnames of one character that are words as well.
fn is_common(c: char) -> bool {
    "一二三四五六七八九十本社長部課店会各同御皆者員上下中前後新旧他別主大小東西南北山川田林森原谷"
        .contains(c)
}

/// The end of a given name at `start`: kanji up to an honorific or a boundary, or a few kana.
fn given(folded: &Folded, names: &Names, start: usize, spaced: bool) -> Option<usize> {
    let run = run(folded, start, 6);
    let fits = |end: &usize| {
        let word = folded.part(start, *end);
        let name = names.is_given(word);
        let office = || names.is_listed_given(word) && closed(folded, *end);
        let closed = end - start == run || honorific(folded, *end) || office();
        // 「美里」 and 「ゆかり」 go on in hiragana, words with okurigana do too.
        #[rustfmt::skip]
        let verb = !spaced
            && matches!(folded.at(*end), 'し' | 'す' | 'る' | 'い' | 'く' | 'け' | 'め' | 'き' | 'れ' | 'せ' | 'り');
        let verb = verb || !spaced && folded.at(*end) == 'さ' && folded.at(end + 1) != 'ん';
        closed && name && !is_katakana(folded.at(*end)) && !verb
    };
    let ends = || (1..=run.min(3)).rev().map(|len| start + len).filter(fits);
    let best = ends()
        .find(|end| names.is_listed_given(folded.part(start, *end)))
        .or_else(|| ends().find(|end| honorific(folded, *end)))
        .or_else(|| ends().next());
    if best.is_some() {
        return best;
    }
    if run > 0 {
        return None;
    }
    let kana = folded.part(start, start + 6);
    let hiragana = kana.iter().take_while(|c| is_hiragana(**c)).count();
    let katakana = kana.iter().take_while(|c| is_katakana(**c)).count();
    let longest = hiragana.max(katakana);
    (2..=longest.min(5)).rev().find_map(|len| {
        let end = start + len;
        let whole = len == katakana
            || len == hiragana
            || honorific(folded, end)
            || (hiragana > 0 && ends_name(folded, end));
        (whole && names.is_given_reading(folded.part(start, end))).then_some(end)
    })
}

/// A given name of rare characters, where a label or an honorific speaks for it.
fn free_given(folded: &Folded, start: usize, label: bool) -> Option<usize> {
    let run = run(folded, start, 6);
    (1..=run.min(3)).rev().map(|len| start + len).find(|end| {
        let closed = *end == start + run && label && ends_name(folded, *end);
        (closed || honorific(folded, *end))
            && !organisation(folded, start)
            && !honorific(folded, start)
    })
}

/// A given name of rare characters before 「です」 or 「と申します」.
fn said_given(folded: &Folded, start: usize) -> Option<usize> {
    let end = start + run(folded, start, 4);
    let said = ["です", "でございます", "と申"]
        .iter()
        .any(|word| folded.has(end, word));
    (said && (1..=3).contains(&(end - start)) && !organisation(folded, start)).then_some(end)
}

/// Whether what follows at `at` can follow a name.
fn ends_name(folded: &Folded, at: usize) -> bool {
    matches!(
        folded.at(at),
        '\0' | '\n'
            | '、'
            | '。'
            | ','
            | ' '
            | '('
            | ')'
            | '」'
            | '"'
            | '\''
            | '|'
            | '\t'
            | '<'
            | '/'
            | '・'
            | ';'
            | '→'
            | 'は'
            | 'が'
            | 'と'
            | 'も'
            | 'へ'
            | 'に'
            | 'よ'
    )
}

/// A name that is in no list, where its surroundings say that it is one.
fn unknown_surname(
    folded: &Folded,
    names: &Names,
    start: usize,
    evidence: Evidence,
) -> Option<(usize, u8)> {
    let run = run(folded, start, 8);
    let end = start + run;
    let word = folded.part(start, end);
    if evidence.label
        && folded.at(end) == ' '
        && (1..=3).contains(&run)
        && names.is_like_surname(word)
        && let Some(given) = given(folded, names, end + 1, true)
    {
        return Some((given, 85));
    }
    if evidence.label && (3..=5).contains(&run) && !organisation_like(word) {
        let split = (1..=3).any(|len| {
            names.is_like_surname(word.get(..len).unwrap_or_default())
                && names.is_clearly_given(word.get(len..).unwrap_or_default())
        });
        if split {
            return Some((end, 75));
        }
    }
    if folded.at(end) == ' '
        && (1..=3).contains(&run)
        && names.is_like_surname(word)
        && let Some(given) =
            given(folded, names, end + 1, true).filter(|given| honorific(folded, *given))
    {
        return Some((given, 82));
    }
    // 「早乙女様」: a kanji run that is cut by an honorific.
    let cut = (2..=run.min(5)).find(|len| honorific(folded, start + len))?;
    let word = folded.part(start, start + cut);
    let polite = evidence.label
        || matches!(
            folded.at(start + cut),
            '様' | '氏' | 'さ' | '殿' | 'く' | ' '
        );
    let free = polite && names.is_like_surname(word) && !organisation_like(word) && !is_role(word);
    (free
        && !word
            .iter()
            .any(|c| "者社店員客長部課方皆各御弊貴当何誰某両同".contains(*c)))
    .then_some((start + cut, 68))
}

fn organisation_like(word: &[char]) -> bool {
    ORGANISATIONS.iter().any(|end| {
        let len = end.chars().count();
        word.len() >= len && word.iter().skip(word.len() - len).copied().eq(end.chars())
    })
}

/// Cells below a heading that announces names, whatever the lists say.
fn columns(document: &Document, names: &Names, found: &mut Vec<Match>) {
    let folded = &document.folded;
    for cell in document
        .cells
        .iter()
        .filter(|cell| cell.tag == Some(Tag::Name))
    {
        let mut end = cell.end;
        for suffix in ["様", "さん", "殿", "氏"] {
            let len = suffix.chars().count();
            if end >= cell.start + len + 2
                && folded
                    .part(end - len, end)
                    .iter()
                    .copied()
                    .eq(suffix.chars())
            {
                end -= len;
            }
        }
        let value = folded.part(cell.start, end);
        let blanks = value.iter().filter(|c| **c == ' ').count();
        let kanji = value
            .iter()
            .all(|c| is_kanji(*c) || is_hiragana(*c) || *c == ' ')
            && value.iter().any(|c| is_kanji(*c));
        let kana = value
            .iter()
            .all(|c| is_katakana(*c) || matches!(c, ' ' | '・'));
        let letters: Vec<char> = value.iter().copied().filter(|c| *c != ' ').collect();
        let like = (1..letters.len()).any(|at| {
            names.is_like_surname(letters.get(..at).unwrap_or_default())
                && names.is_given(letters.get(at..).unwrap_or_default())
        });
        if (kanji
            && (2..=7).contains(&value.len())
            && blanks <= 1
            && (like || blanks == 1)
            && !organisation_like(value))
            || (kana && (4..=14).contains(&value.len()) && blanks == 1)
        {
            Document::push(found, Kind::Person, cell.start, end, 76);
        }
    }
}
