//! 社外秘, 機密 and the like where they mark a document: in brackets, at the head of a line, alone. A sentence
//! that mentions 社外秘情報 marks nothing.

use std::sync::LazyLock;

use super::Detector;
use crate::document::Document;
use crate::finding::{Kind, Match};
use crate::lexicon::Lexicon;
use crate::spots::Begin;
use crate::text::Folded;

pub(super) const DETECTOR: Detector = Detector {
    kind: Kind::Classification,
    version: 3,
    approach: "a marking in brackets, alone at the head of a line, or said of the document",
    find,
};

#[rustfmt::skip]
static WORDS: LazyLock<Lexicon<()>> = LazyLock::new(|| {
    Lexicon::new(["社外秘", "部外秘", "極秘", "厳秘", "機密", "秘密", "取扱注意", "取り扱い注意", "取扱い注意", "関係者限り", "関係者外秘", "関係者以外閲覧禁止", "社内限り", "社内限定", "持出禁止", "持ち出し禁止", "複写禁止", "転送禁止", "秘", "親展", "人事秘", "役員限り", "部内限り", "課内限り", "confidential", "strictly confidential", "company confidential", "internal use only", "for internal use only", "internal only", "top secret", "secret", "restricted", "do not distribute", "機密情報", "社外秘情報", "社外持出禁止", "社外持ち出し禁止", "マル秘", "丸秘"].map(|word| (word, ())))
});

const CIRCLED: char = '㊙';

/// How markings begin.
pub(crate) fn begins() -> impl Iterator<Item = (char, char)> {
    WORDS.begins().chain(std::iter::once((CIRCLED, '\0')))
}

fn find(document: &Document, found: &mut Vec<Match>) {
    let folded = &document.folded;
    for at in document.spots.of(Begin::Marking) {
        // Circled characters stand for themselves.
        if folded.at(at) == CIRCLED {
            let bracket = closing(folded.before(at)) == Some(folded.at(at + 1));
            let wide = usize::from(bracket);
            Document::push(found, Kind::Classification, at - wide, at + 1 + wide, 92);
            continue;
        }
        let Some((len, ())) = WORDS.longest_at(folded.chars(), at) else {
            continue;
        };
        if let Some((start, end, confidence)) = marking(folded, at, at + len) {
            Document::push(found, Kind::Classification, start, end, confidence);
        }
    }
}

fn marking(folded: &Folded, start: usize, end: usize) -> Option<(usize, usize, u8)> {
    let (before, after) = (folded.before(start), folded.at(end));
    if closing(before) == Some(after) {
        return Some((start - 1, end + 1, 95));
    }
    if closing(before).is_some() && matches!(after, '/' | '・' | ' ' | ':') {
        return Some((start - 1, end, 85));
    }
    let head = matches!(
        before,
        '\0' | '\n' | '*' | '#' | '■' | '●' | '◆' | '※' | '★'
    ) || (before == ' '
        && matches!(
            folded.before(start - 1),
            '\0' | '\n' | ':' | '#' | '*' | '■' | '※'
        ));
    let head = head || classed(folded, start);
    let alone = matches!(after, '\0' | '\n' | '*' | ' ' | ':' | '/' | '・' | '_');
    // `SECRET_TOKEN` is the name of a variable.
    let variable = after == '_' && folded.at(start).is_ascii_alphabetic();
    let short = end - start < 2;
    // `secret = "x"` assigns; `CONFIDENTIAL` stands alone or shouts.
    let word = folded.at(start).is_ascii_alphabetic()
        && !matches!(after, '\0' | '\n' | '*')
        && !folded.part(start, end).iter().any(char::is_ascii_uppercase);
    let marked = head && alone && !short && !word && !variable;
    (marked || !short && declared(folded, start, end)).then_some((start, end, 88))
}

/// 「本メールは機密扱いです」: a sentence about the document itself.
fn declared(folded: &Folded, start: usize, end: usize) -> bool {
    const SUBJECT_MAX: usize = 10;
    #[rustfmt::skip]
    const SUBJECTS: [&str; 12] = ["メール", "資料", "文書", "書類", "本書", "本件", "ファイル", "議事録", "レポート", "報告書", "内容", "書面"];
    let said = ["扱い", "です", "とします", "につき", "とさせ"]
        .iter()
        .any(|word| folded.has(end, word));
    let from = start.saturating_sub(SUBJECT_MAX);
    let subject = |at: usize| SUBJECTS.iter().any(|word| folded.has(at, word));
    said && matches!(folded.before(start), 'は' | 'を') && (from..start).any(subject)
}

/// 「資料区分：部外秘」: the value of a line that tells how to handle a document.
fn classed(folded: &Folded, start: usize) -> bool {
    const LINE_MAX: usize = 16;
    const WORDS: [&str; 8] = [
        "区分",
        "分類",
        "取扱",
        "取り扱い",
        "レベル",
        "機密性",
        "lassification",
        "ensitivity",
    ];
    let mut at = start;
    while start - at < 2 && folded.before(at) == ' ' {
        at -= 1;
    }
    if folded.before(at) != ':' {
        return false;
    }
    (at.saturating_sub(LINE_MAX)..at)
        .rev()
        .take_while(|at| folded.at(*at) != '\n')
        .any(|at| WORDS.iter().any(|word| folded.has(at, word)))
}

fn closing(open: char) -> Option<char> {
    Some(match open {
        '【' => '】',
        '[' => ']',
        '(' => ')',
        '<' => '>',
        '《' => '》',
        '〈' => '〉',
        '≪' => '≫',
        '『' => '』',
        '〔' => '〕',
        '「' => '」',
        '★' => '★',
        '*' => '*',
        '"' => '"',
        _ => return None,
    })
}
