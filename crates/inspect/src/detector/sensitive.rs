//! Words of sensitive categories: pay, appraisal, health, creed, origin, record. They do not identify
//! anybody, but next to somebody they are what the law protects most (要配慮個人情報).

use std::sync::LazyLock;

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::lexicon::Lexicon;
use crate::spots::Begin;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::Sensitive,
    version: 1,
    approach: "words of sensitive categories",
    find,
};

#[rustfmt::skip]
static WORDS: LazyLock<Lexicon<()>> = LazyLock::new(|| {
    Lexicon::new(["病歴", "既往歴", "診断書", "診断名", "病名", "うつ病", "適応障害", "双極性障害", "統合失調症", "発達障害", "精神疾患", "障害者手帳", "障害等級", "要介護", "妊娠", "不妊治療", "流産", "中絶", "がん", "癌", "hiv", "エイズ", "肝炎", "糖尿病", "休職", "傷病手当", "健康診断結果", "検査結果", "ストレスチェック結果", "服薬", "通院歴", "カルテ", "遺伝情報", "ゲノム", "人事評価", "人事考課", "評価結果", "考課結果", "査定結果", "賞与額", "年収", "月給", "基本給", "給与明細", "給与額", "昇給額", "退職金", "懲戒", "降格", "諭旨解雇", "ハラスメント被害", "犯罪歴", "前科", "逮捕歴", "前歴", "犯罪被害", "信条", "思想信条", "宗教", "信仰", "支持政党", "労働組合加入", "組合員名簿", "人種", "民族", "国籍別", "本籍地", "門地", "社会的身分", "部落", "性的指向", "性自認", "lgbt", "性生活", "保健医療", "生活保護", "自己破産", "債務整理", "多重債務", "滞納", "差押"].map(|word| (word, ())))
});

/// How the words begin.
pub(crate) fn begins() -> impl Iterator<Item = (char, char)> {
    WORDS.begins()
}

fn find(document: &Document, found: &mut Vec<Match>) {
    let folded = &document.folded;
    for at in document.spots.of(Begin::Sensitive) {
        if let Some((len, ())) = WORDS.longest_at(folded.chars(), at)
            && !folded.at(at + len).is_ascii_alphanumeric()
            && !folded.before(at).is_ascii_alphanumeric()
            // 「がんばる」
            && !(folded.part(at, at + 2) == ['が', 'ん'] && matches!(folded.at(at + 2), '\u{3041}'..='\u{3096}'))
        {
            Document::push(found, Kind::Sensitive, at, at + len, 50);
        }
    }
}
