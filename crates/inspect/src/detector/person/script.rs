//! Names in kana and in Latin letters.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::abroad;
use super::words::{honorific, polite};
use super::{ends_name, evidence};
use crate::document::Document;
use crate::label::Tag;
use crate::names::{Names, Romaji};
use crate::text::{Folded, is_hiragana, is_kanji, is_katakana};

pub(super) fn kana(document: &Document, names: &Names, start: usize) -> Option<(usize, u8)> {
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
    let evidence = evidence(document, start);
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
    if katakana && let Some(end) = foreign(folded, start) {
        return Some((end, 72));
    }
    if katakana && let Some(end) = foreign_parts(folded, start) {
        return Some((end, 74));
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
        if let Some(cut) = called(folded, names, start, first) {
            return Some((start + cut, 66));
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

/// 「ゆかりちゃん」: how much of the hiragana is a given name; not 「あかちゃん」.
fn called(folded: &Folded, names: &Names, start: usize, run: usize) -> Option<usize> {
    const OTHERS: [&str; 8] = [
        "あか", "にい", "ねえ", "かあ", "とう", "おば", "おじ", "みな",
    ];
    let close = |at: usize| ["ちゃん", "くん"].iter().any(|title| folded.has(at, title));
    let cut = (2..=run.min(5)).find(|cut| close(start + cut))?;
    let other = cut == 2 && OTHERS.iter().any(|other| folded.has(start, other));
    (!other && names.is_given_reading(folded.part(start, start + cut))).then_some(cut)
}

/// 「ジョン・スミス様」: katakana in parts with an honorific behind, that is no word for a role.
fn foreign(folded: &Folded, start: usize) -> Option<usize> {
    const NAME_MAX: usize = 24;
    let part = folded.part(start, start + NAME_MAX);
    let len = part
        .iter()
        .take_while(|c| is_katakana(**c) || matches!(c, '・' | '='))
        .count();
    let end = start + len;
    let word: String = folded.part(start, end).iter().collect();
    let role = ROLES.iter().any(|role| word.ends_with(role));
    // Behind katakana a title is as often a part of a compound; only some are beyond doubt.
    let polite = [
        "様",
        "さん",
        "氏",
        "殿",
        "先生",
        "教授",
        "博士",
        "大統領",
        "首相",
        "監督",
        "判事",
        "投手",
        "選手",
        "長官",
        "外相",
        "議員",
        "大使",
        "校長",
        "女史",
        "党首",
        "元首相",
        "前首相",
        "元大統領",
        "前大統領",
        "夫人",
        "ちゃん",
        "くん",
    ]
    .iter()
    .any(|word| folded.has(end, word));
    (len >= 3
        && !role
        && polite
        && !matches!(folded.before(end), '・' | '=')
        && honorific(folded, end))
    .then_some(end)
}

/// 「リチャード・ストールマン」: a given name of other countries and what follows it.
fn foreign_parts(folded: &Folded, start: usize) -> Option<usize> {
    const PARTS_MAX: usize = 4;
    let word = |at: usize| {
        let part = folded.part(at, at + 14);
        part.iter().take_while(|c| is_katakana(**c)).count()
    };
    let first = word(start);
    let name: String = folded.part(start, start + first).iter().collect();
    // 『ハリー・ポッター』 is a book.
    if folded.before(start) == '『' || !FOREIGN.contains(name.as_str()) {
        return None;
    }
    let mut end = start + first;
    // 「ダニエル　キム様」
    if folded.at(end) == ' ' {
        let second = word(end + 1);
        let stop = end + 1 + second;
        let closed = honorific(folded, stop) || ends_name(folded, stop);
        return (second >= 2 && closed).then_some(stop);
    }
    for _ in 1..PARTS_MAX {
        if !matches!(folded.at(end), '・' | '=' | '＝') {
            break;
        }
        // 「ジョージ・W・ブッシュ」
        let initial = folded.at(end + 1).is_ascii_uppercase() && folded.at(end + 2) == '・';
        let next = if initial { 1 } else { word(end + 1) };
        if next == 0 || (next < 2 && !initial) {
            break;
        }
        end += 1 + next;
    }
    (end > start + first).then_some(end)
}

/// Given names of other countries, as they are written in katakana.
static FOREIGN: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| FOREIGN_GIVEN.iter().copied().collect());

#[rustfmt::skip]
const FOREIGN_GIVEN: &[&str] = &["アーサー", "アーノルド", "アイザック", "アイリーン", "アダム", "アビゲイル", "アブドゥル", "アマンダ", "アラン", "アリ", "アリエル", "アリス", "アリソン", "アルバート", "アルフレッド", "アレクサンダー", "アレクサンドラ", "アレックス", "アン", "アンゲラ", "アンジェラ", "アンソニー", "アンディ", "アンドリュー", "アンドレ", "アンナ", "アンヌ", "イザベラ", "イーサン", "イアン", "イレーヌ", "イワン", "ウィリアム", "ウラジーミル", "ウォルター", "ウォーレン", "エイミー", "エドワード", "エドガー", "エバ", "エマ", "エミリー", "エリザベス", "エリック", "エレナ", "エレン", "オスカー", "オリバー", "オリビア", "カール", "カルロス", "カレン", "キャサリン", "キャロル", "キム", "クリス", "クリスティン", "クリスティーナ", "クリストファー", "クリント", "グレース", "グレッグ", "ケイト", "ケビン", "ケネス", "ゲアハルト", "コリン", "サイモン", "サミュエル", "サム", "サラ", "サンドラ", "シャーロット", "シャウル", "シャロン", "ジェイコブ", "ジェイソン", "ジェイムズ", "ジェームス", "ジェームズ", "ジェシカ", "ジェニファー", "ジェフ", "ジェフリー", "ジェリー", "ジム", "ジャック", "ジャン", "ジュリア", "ジュリアン", "ジョー", "ジョージ", "ジョアンナ", "ジョセフ", "ジョナサン", "ジョン", "ジル", "スーザン", "スコット", "スティーブ", "スティーブン", "スティーヴン", "ステファニー", "ステファン", "ゾフィー", "ソフィア", "タイガー", "ダニエル", "ダン", "チャールズ", "チャーリー", "ティム", "ティモシー", "テリー", "テレサ", "デイビッド", "デイヴィッド", "デービッド", "デビッド", "デニス", "トーマス", "トニー", "トム", "ドナルド", "ドミニク", "ナタリー", "ナンシー", "ニール", "ニック", "ニコラ", "ニコラス", "ニコル", "ノア", "ハリー", "ハンス", "バーバラ", "バラク", "パトリック", "パトリシア", "パメラ", "ビル", "ビンセント", "ピーター", "ピエール", "フィリップ", "フェルナンド", "フランク", "フランシス", "フランソワ", "フランツ", "フレッド", "ブライアン", "ブルース", "ヘンリー", "ヘレン", "ベティ", "ベン", "ベンジャミン", "ポール", "ホセ", "ホルスト", "マーガレット", "マーク", "マーティン", "マイク", "マイケル", "マシュー", "マックス", "マリア", "マリー", "マルコ", "ミゲル", "ミシェル", "ミハイル", "ムハンマド", "メアリー", "メアリ", "モハメド", "モハンマド", "ヨハン", "ヨハネス", "ヨセフ", "ライアン", "ラリー", "リサ", "リチャード", "リンダ", "ルイ", "ルイス", "ルーカス", "ルドルフ", "レイチェル", "レイモンド", "レオナルド", "ロジャー", "ロナルド", "ロバート", "ロビン", "ローラ", "ワルター"];

/// Words in katakana before 様 and さん that are nobody's name.
#[rustfmt::skip]
const ROLES: &[&str] = &["ユーザー", "ユーザ", "メーカー", "スタッフ", "オーナー", "クライアント", "パートナー", "ベンダー", "メンバー", "ゲスト", "ドライバー", "ヘルパー", "サポーター", "リーダー", "マネージャー", "マネジャー", "エンジニア", "デザイナー", "カスタマー", "バイヤー", "サプライヤー", "ディーラー", "オペレーター", "アルバイト", "パート", "テナント", "モニター", "ファン", "グループ", "チーム", "ホテル", "クラブ", "スーパー", "コンビニ", "センター", "サービス", "システム", "コーチ", "ドクター", "ナース", "タクシー", "バス", "トラック", "ワールドカップ", "オリンピック", "プロ", "アマチュア", "サッカー", "テニス", "ゴルフ", "ラグビー", "バスケットボール", "ゴールキーパー", "トップ", "ライター", "カメラマン", "モデル", "アシスタント", "インストラクター", "トレーナー", "カウンセラー", "コンサルタント", "アドバイザー", "プログラマー", "アナリスト", "ジャパン", "アメリカ", "フランス", "ドイツ", "イタリア", "ロシア", "ブラジル", "スペイン", "オーストラリア", "オペレータ", "キャスト", "クルー", "ビジター", "リピーター", "フォロワー", "ボランティア", "ペット", "ワンちゃん", "ネコ", "イヌ", "サンタ", "オバ", "オジ", "アポロ", "ゼネコン", "ハウスメーカー", "イスラエル", "イギリス", "カナダ", "オランダ", "ベルギー", "スイス", "インド", "トルコ", "エジプト", "メキシコ", "ポーランド", "スウェーデン", "ノルウェー", "フィンランド", "デンマーク", "ギリシャ", "ウクライナ", "イラク", "イラン", "ベトナム", "フィリピン", "インドネシア", "マレーシア", "シンガポール", "アルゼンチン", "ペルー", "チリ", "ニュージーランド", "アイルランド", "ポルトガル", "オーストリア", "ハンガリー", "パキスタン", "ネパール", "モンゴル", "ミャンマー", "カンボジア", "レバノン", "シリア", "赤ちゃん", "ウサギ", "クマ", "サポート", "ヘルプデスク", "フロント", "ショップ", "ベンダ", "コール", "セールス", "マーケティング", "カフェ", "ブース", "デスク", "インフラ", "マーケ"];

pub(super) fn latin(document: &Document, names: &Names, start: usize) -> Option<(usize, u8)> {
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
        return foreign().or_else(|| single_latin(document, names, start, end));
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
        || names.is_surname_romaji(&b) && a.is_japanese();
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
    let half = [&a, &b]
        .iter()
        .any(|word| names.is_surname_romaji(word) || names.is_given_romaji(word));
    let spoken_for = (half || title(folded, start))
        && (honorific(folded, stop) || evidence(document, start).label);
    spoken_for.then_some((stop, 78))
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
    start: usize,
    end: usize,
) -> Option<(usize, u8)> {
    let folded = &document.folded;
    let word = folded.part(start, end);
    let polite = ["-san", "-sama", "さん", "様", "くん", "ちゃん", "氏"]
        .iter()
        .any(|word| folded.has(end, word));
    let own = ["-san", "-sama"].iter().any(|word| folded.has(end, word));
    if end - start < 3 || !(polite || title(folded, start) || noted(folded, start, end)) {
        return None;
    }
    let word = Romaji::of(word);
    let name =
        names.is_surname_romaji(&word) || names.is_given_romaji(&word) || own && word.is_japanese();
    name.then_some((end, 80))
}
