//! Names of other countries in katakana.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::context::does;
use super::words::{honorific, organisation};
use super::{Evidence, ends_name};
use crate::names::Names;
use crate::text::{Folded, is_katakana};

/// 「ジョン・スミス様」: katakana in parts with an honorific behind, that is no word for a role.
fn polite_name(folded: &Folded, start: usize) -> Option<usize> {
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

/// 「リチャード・ストールマン」: names of other countries in two parts or more, of which the first is a given name or the
/// first and the last are names.
fn in_parts(folded: &Folded, names: &Names, start: usize) -> Option<usize> {
    const PARTS_MAX: usize = 4;
    let first = start + katakana(folded, start);
    let word = folded.part(start, first);
    // 『ハリー・ポッター』 is a book.
    if folded.before(start) == '『' {
        return None;
    }
    let given = is_given(word);
    // 「ダニエル　キム様」
    if folded.at(first) == ' ' {
        let stop = first + 1 + katakana(folded, first + 1);
        let closed = honorific(folded, stop) || ends_name(folded, stop);
        return (given && stop > first + 2 && closed).then_some(stop);
    }
    let (mut end, mut last) = (first, start);
    for _ in 1..PARTS_MAX {
        if !matches!(folded.at(end), '・' | '=' | '＝') {
            break;
        }
        // 「ジョージ・W・ブッシュ」
        let initial = folded.at(end + 1).is_ascii_uppercase() && folded.at(end + 2) == '・';
        let next = if initial {
            1
        } else {
            katakana(folded, end + 1)
        };
        if next == 0 || (next < 2 && !initial) {
            break;
        }
        last = end + 1;
        end += 1 + next;
    }
    if end == first {
        return None;
    }
    let family = folded.part(last, end);
    let eastern = word.len() >= 2 && is_one_of(word, EASTERN) && end - last <= 6;
    let both = word.len() >= 2
        && (names.is_foreign(word) || names.is_given_reading(word))
        && (names.is_foreign(family) || is_one_of(family, EASTERN));
    let thing = [
        "シリーズ",
        "ブランド",
        "ホテル",
        "ストア",
        "ショップ",
        "カップ",
        "グループ",
        "カンパニー",
    ]
    .iter()
    .any(|word| family.ends_with(&word.chars().collect::<Vec<_>>()));
    let company = thing || COMPANIES.iter().any(|name| folded.has(start, name));
    ((given || eastern || both) && !company && !organisation(folded, end)).then_some(end)
}

/// A name of another country alone, where what stands around it says that it is one: 「実習生のファムは欠席」.
fn alone(
    folded: &Folded,
    names: &Names,
    (start, end): (usize, usize),
    evidence: Evidence,
) -> Option<(usize, u8)> {
    let told = evidence.label || evidence.among || evidence.lead;
    let called = honorific(folded, end);
    let acting = || end - start >= 3 && does(folded, end);
    if !(told && ends_name(folded, end) || called || acting()) {
        return None;
    }
    let word = folded.part(start, end);
    let name =
        word.len() >= 2 && (names.is_foreign(word) || is_given(word) || is_one_of(word, EASTERN));
    name.then_some((end, if called { 72 } else { 62 }))
}

/// The end of a name of another country in katakana at `start`, and the confidence.
pub(super) fn name(
    folded: &Folded,
    names: &Names,
    (start, end): (usize, usize),
    evidence: Evidence,
) -> Option<(usize, u8)> {
    polite_name(folded, start)
        .map(|end| (end, 72))
        .or_else(|| in_parts(folded, names, start).map(|end| (end, 74)))
        .or_else(|| alone(folded, names, (start, end), evidence))
}

/// How many katakana follow from `at`.
fn katakana(folded: &Folded, at: usize) -> usize {
    const WORD_MAX: usize = 14;
    let part = folded.part(at, at + WORD_MAX);
    part.iter().take_while(|c| is_katakana(**c)).count()
}

fn is_given(word: &[char]) -> bool {
    FOREIGN.contains(word.iter().collect::<String>().as_str())
}

fn is_one_of(word: &[char], list: &[&str]) -> bool {
    list.iter().any(|one| one.chars().eq(word.iter().copied()))
}

/// Family names of East and South-east Asia, which stand in front, and words within names of Vietnam.
#[rustfmt::skip]
const EASTERN: &[&str] = &["グエン", "チャン", "ファム", "ホアン", "フイン", "ファン", "ブイ", "ダン", "ドアン", "ズオン", "ゴー", "チュオン", "レー", "キム", "パク", "チェ", "チョン", "チョウ", "カン", "ユン", "イム", "クォン", "ソン", "リー", "ワン", "チェン", "リウ", "ヤン", "ジャオ", "ホワン", "チョー", "シュー", "リン", "ウー", "ラウ", "ウォン", "タン", "チャオ", "アウン", "ソムチャイ", "スリヤ", "プトラ", "サントソ", "ウィジャヤ", "クマール", "シン", "シャルマ", "グプタ", "パテル", "タパ", "グルン", "ラマ", "シュレスタ", "マガル", "タマン", "バハドゥル", "ペレラ", "フェルナンド", "サントス", "クルス", "レイエス", "バウティスタ"];

/// Companies that bear the names of people.
#[rustfmt::skip]
const COMPANIES: &[&str] = &["モルガン・スタンレー", "ルイ・ヴィトン", "ハーレー・ダビッドソン", "アーサー・アンダーセン", "アーサー・ディ・リトル", "ジョンソン・エンド", "ジョンソン・アンド", "クリスチャン・ディオール", "ロールス・ロイス", "アストン・マーティン", "マーサー・", "ダン・アンド", "エルメス・", "ジミー・チュウ", "カルバン・クライン", "ラルフ・ローレン", "マックス・マーラ", "ヤン・ファン・エイク"];

/// Given names of other countries, as they are written in katakana.
static FOREIGN: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| FOREIGN_GIVEN.iter().copied().collect());

#[rustfmt::skip]
const FOREIGN_GIVEN: &[&str] = &["アーサー", "アーノルド", "アイザック", "アイリーン", "アダム", "アビゲイル", "アブドゥル", "アマンダ", "アラン", "アリ", "アリエル", "アリス", "アリソン", "アルバート", "アルフレッド", "アレクサンダー", "アレクサンドラ", "アレックス", "アン", "アンゲラ", "アンジェラ", "アンソニー", "アンディ", "アンドリュー", "アンドレ", "アンナ", "アンヌ", "イザベラ", "イーサン", "イアン", "イレーヌ", "イワン", "ウィリアム", "ウラジーミル", "ウォルター", "ウォーレン", "エイミー", "エドワード", "エドガー", "エバ", "エマ", "エミリー", "エリザベス", "エリック", "エレナ", "エレン", "オスカー", "オリバー", "オリビア", "カール", "カルロス", "カレン", "キャサリン", "キャロル", "キム", "クリス", "クリスティン", "クリスティーナ", "クリストファー", "クリント", "グレース", "グレッグ", "ケイト", "ケビン", "ケネス", "ゲアハルト", "コリン", "サイモン", "サミュエル", "サム", "サラ", "サンドラ", "シャーロット", "シャウル", "シャロン", "ジェイコブ", "ジェイソン", "ジェイムズ", "ジェームス", "ジェームズ", "ジェシカ", "ジェニファー", "ジェフ", "ジェフリー", "ジェリー", "ジム", "ジャック", "ジャン", "ジュリア", "ジュリアン", "ジョー", "ジョージ", "ジョアンナ", "ジョセフ", "ジョナサン", "ジョン", "ジル", "スーザン", "スコット", "スティーブ", "スティーブン", "スティーヴン", "ステファニー", "ステファン", "ゾフィー", "ソフィア", "タイガー", "ダニエル", "ダン", "チャールズ", "チャーリー", "ティム", "ティモシー", "テリー", "テレサ", "デイビッド", "デイヴィッド", "デービッド", "デビッド", "デニス", "トーマス", "トニー", "トム", "ドナルド", "ドミニク", "ナタリー", "ナンシー", "ニール", "ニック", "ニコラ", "ニコラス", "ニコル", "ノア", "ハリー", "ハンス", "バーバラ", "バラク", "パトリック", "パトリシア", "パメラ", "ビル", "ビンセント", "ピーター", "ピエール", "フィリップ", "フェルナンド", "フランク", "フランシス", "フランソワ", "フランツ", "フレッド", "ブライアン", "ブルース", "ヘンリー", "ヘレン", "ベティ", "ベン", "ベンジャミン", "ポール", "ホセ", "ホルスト", "マーガレット", "マーク", "マーティン", "マイク", "マイケル", "マシュー", "マックス", "マリア", "マリー", "マルコ", "ミゲル", "ミシェル", "ミハイル", "ムハンマド", "メアリー", "メアリ", "モハメド", "モハンマド", "ヨハン", "ヨハネス", "ヨセフ", "ライアン", "ラリー", "リサ", "リチャード", "リンダ", "ルイ", "ルイス", "ルーカス", "ルドルフ", "レイチェル", "レイモンド", "レオナルド", "ロジャー", "ロナルド", "ロバート", "ロビン", "ローラ", "ワルター"];

/// Words in katakana before 様 and さん that are nobody's name.
#[rustfmt::skip]
const ROLES: &[&str] = &["ユーザー", "ユーザ", "メーカー", "スタッフ", "オーナー", "クライアント", "パートナー", "ベンダー", "メンバー", "ゲスト", "ドライバー", "ヘルパー", "サポーター", "リーダー", "マネージャー", "マネジャー", "エンジニア", "デザイナー", "カスタマー", "バイヤー", "サプライヤー", "ディーラー", "オペレーター", "アルバイト", "パート", "テナント", "モニター", "ファン", "グループ", "チーム", "ホテル", "クラブ", "スーパー", "コンビニ", "センター", "サービス", "システム", "コーチ", "ドクター", "ナース", "タクシー", "バス", "トラック", "ワールドカップ", "オリンピック", "プロ", "アマチュア", "サッカー", "テニス", "ゴルフ", "ラグビー", "バスケットボール", "ゴールキーパー", "トップ", "ライター", "カメラマン", "モデル", "アシスタント", "インストラクター", "トレーナー", "カウンセラー", "コンサルタント", "アドバイザー", "プログラマー", "アナリスト", "ジャパン", "アメリカ", "フランス", "ドイツ", "イタリア", "ロシア", "ブラジル", "スペイン", "オーストラリア", "オペレータ", "キャスト", "クルー", "ビジター", "リピーター", "フォロワー", "ボランティア", "ペット", "ワンちゃん", "ネコ", "イヌ", "サンタ", "オバ", "オジ", "アポロ", "ゼネコン", "ハウスメーカー", "イスラエル", "イギリス", "カナダ", "オランダ", "ベルギー", "スイス", "インド", "トルコ", "エジプト", "メキシコ", "ポーランド", "スウェーデン", "ノルウェー", "フィンランド", "デンマーク", "ギリシャ", "ウクライナ", "イラク", "イラン", "ベトナム", "フィリピン", "インドネシア", "マレーシア", "シンガポール", "アルゼンチン", "ペルー", "チリ", "ニュージーランド", "アイルランド", "ポルトガル", "オーストリア", "ハンガリー", "パキスタン", "ネパール", "モンゴル", "ミャンマー", "カンボジア", "レバノン", "シリア", "赤ちゃん", "ウサギ", "クマ", "サポート", "ヘルプデスク", "フロント", "ショップ", "ベンダ", "コール", "セールス", "マーケティング", "カフェ", "ブース", "デスク", "インフラ", "マーケ"];
