//! The company's own codes: numbers of staff, customers and contracts, by the shape they have.
//!
//! A shape is what people would write down as an example: `#` stands for a digit, `@` for a letter, `*` for either, and
//! all else for itself. Width and case do not matter, and hyphens, blanks and dots may be left out. Shapes are looked up
//! place by place, without going back: whatever the text, a shape costs at most its own length at the beginning of a word.

use serde::{Deserialize, Serialize};

use crate::class::OwnClasses;
use crate::document::Document;
use crate::finding::{Kind, Match, OwnClass};
use crate::label::Tag;
use crate::text::Folded;

/// Most shapes of all codes together.
const SHAPES_MAX: usize = 64;
/// Shortest and longest shape, without hyphens and the like.
const SIGNS_MIN: usize = 3;
const SIGNS_MAX: usize = 40;
/// How many letters or digits of its own a shape needs that counts without a word near by.
const OWN_MIN: usize = 2;
/// Most words of one code.
const WORDS_MAX: usize = 50;
/// How far before a code a word tells of it, and how far behind.
const BEFORE: usize = 32;
const BEHIND: usize = 12;

/// A kind of code of the company's own, as rules tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Its name.
    pub id: String,
    /// `EMPLOYEE_NUMBER` or `CUSTOMER` (個人情報), `COMPANY_TERM` (社外秘) or `PROJECT_NAME` (機密): what findings are.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// A class of the company's own instead of that of the type.
    #[serde(default)]
    pub class: Option<String>,
    /// What it looks like: `EMP-######`.
    pub shapes: Vec<String>,
    /// Words of which one has to stand near by; none: wherever it stands.
    #[serde(default)]
    pub near: Vec<String>,
}

/// One sign of a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Digit,
    Letter,
    Either,
    /// A letter or digit of its own, in lower case.
    Own(char),
    /// A hyphen, blank or dot, which may be left out.
    Apart,
}

impl Sign {
    fn of(c: char) -> Self {
        match c {
            '#' => Self::Digit,
            '@' => Self::Letter,
            '*' => Self::Either,
            _ if is_apart(c) => Self::Apart,
            _ => Self::Own(c.to_ascii_lowercase()),
        }
    }

    fn fits(self, c: char) -> bool {
        match self {
            Self::Digit => c.is_ascii_digit(),
            Self::Letter => c.is_ascii_alphabetic(),
            Self::Either => c.is_ascii_alphanumeric(),
            Self::Own(own) => c.to_ascii_lowercase() == own,
            Self::Apart => false,
        }
    }
}

fn is_apart(c: char) -> bool {
    matches!(c, '-' | ' ' | '.' | '_' | '/' | '・' | 'ー')
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shape {
    kind: Kind,
    own: Option<OwnClass>,
    signs: Vec<Sign>,
    /// Which of the lists of words has to be near by, if any.
    near: Option<usize>,
}

/// Codes, ready to be searched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Codes {
    shapes: Vec<Shape>,
    /// Folded and in lower case.
    words: Vec<Vec<Vec<char>>>,
}

impl Codes {
    /// Checks and prepares codes; says what is wrong, and with which of them.
    pub(crate) fn new(
        codes: &[Code],
        classes: &OwnClasses,
    ) -> Result<Self, (String, &'static str)> {
        let mut prepared = Self::default();
        let mut ids = std::collections::BTreeSet::new();
        for code in codes {
            let wrong = |problem| Err((code.id.clone(), problem));
            if !ids.insert(&code.id) {
                return wrong("another code has the same id");
            }
            let known = [
                Kind::EmployeeNumber,
                Kind::Customer,
                Kind::CompanyTerm,
                Kind::ProjectName,
            ];
            if !known.contains(&code.kind) {
                return wrong(
                    "a code is of the type EMPLOYEE_NUMBER, CUSTOMER, COMPANY_TERM or PROJECT_NAME",
                );
            }
            if code.shapes.is_empty() {
                return wrong("say what it looks like, such as shapes = [\"EMP-######\"]");
            }
            if prepared.shapes.len() + code.shapes.len() > SHAPES_MAX {
                return wrong("there are more than 64 shapes");
            }
            if code.near.len() > WORDS_MAX {
                return wrong("there are more than 50 words near by");
            }
            let own = classes.of(code.class.as_deref());
            let own = own.map_err(|problem| (code.id.clone(), problem))?;
            let near = (!code.near.is_empty()).then_some(prepared.words.len());
            for shape in &code.shapes {
                let signs = signs(shape, near.is_some());
                let signs = signs.map_err(|problem| (code.id.clone(), problem))?;
                let kind = code.kind;
                prepared.shapes.push(Shape {
                    kind,
                    own,
                    signs,
                    near,
                });
            }
            if near.is_some() {
                prepared
                    .words
                    .push(code.near.iter().map(|near| word(near)).collect());
            }
        }
        Ok(prepared)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty()
    }

    /// Adds every code in `document` to `found`.
    pub(crate) fn find(&self, document: &Document, found: &mut Vec<Match>) {
        let folded = &document.folded;
        let mut previous = '\0';
        for (start, c) in folded.chars().iter().copied().enumerate() {
            let within = previous.is_ascii_alphanumeric() && c.is_ascii_alphanumeric();
            previous = c;
            if within {
                continue;
            }
            for shape in &self.shapes {
                if let Some(end) = shape.end(folded, start)
                    && shape.near.is_none_or(|list| {
                        self.is_near(list, folded, start, end)
                            || announced(document, shape.kind, start, end)
                    })
                {
                    Document::push(found, shape.kind, start, end, 90);
                    if let Some(pushed) = found.last_mut() {
                        pushed.own = shape.own;
                    }
                }
            }
        }
    }

    fn is_near(&self, list: usize, folded: &Folded, start: usize, end: usize) -> bool {
        let around = [
            folded.part(start.saturating_sub(BEFORE), start),
            folded.part(end, end + BEHIND),
        ];
        let words = self.words.get(list).map_or(&[][..], Vec::as_slice);
        words.iter().any(|word| {
            around.iter().any(|part| {
                part.windows(word.len()).any(|window| {
                    let mut pairs = window.iter().zip(word);
                    pairs.all(|(c, own)| c.to_ascii_lowercase() == *own)
                })
            })
        })
    }
}

/// Whether a label or the heading of a column announces numbers of staff.
fn announced(document: &Document, kind: Kind, start: usize, end: usize) -> bool {
    kind == Kind::EmployeeNumber && document.context(start, end).is(Tag::Employee)
}

impl Shape {
    /// The end of a code of this shape that begins at `start`.
    fn end(&self, folded: &Folded, start: usize) -> Option<usize> {
        let mut at = start;
        for sign in &self.signs {
            match sign {
                Sign::Apart => at += usize::from(is_apart(folded.at(at))),
                sign if sign.fits(folded.at(at)) => at += 1,
                _ => return None,
            }
        }
        let (last, next) = (folded.before(at), folded.at(at));
        let runs_on = last.is_ascii_alphanumeric() && next.is_ascii_alphanumeric();
        (!runs_on).then_some(at)
    }
}

/// The signs of a shape.
fn signs(shape: &str, near: bool) -> Result<Vec<Sign>, &'static str> {
    let folded = Folded::new(shape.trim());
    let signs: Vec<Sign> = folded.chars().iter().copied().map(Sign::of).collect();
    let meant = signs.iter().filter(|sign| **sign != Sign::Apart).count();
    let own = signs
        .iter()
        .filter(|sign| matches!(sign, Sign::Own(_)))
        .count();
    if !(SIGNS_MIN..=SIGNS_MAX).contains(&meant) || signs.len() > SIGNS_MAX * 2 {
        return Err("a shape has 3 to 40 letters, digits, '#', '@' and '*'");
    }
    if own < OWN_MIN && !near {
        return Err(
            "a shape with fewer than two letters or digits of its own fits too much: say near = [\"社員番号\"] or the like",
        );
    }
    if matches!(signs.as_slice(), [Sign::Apart, ..] | [.., Sign::Apart]) {
        return Err("a shape begins and ends with a letter or digit");
    }
    Ok(signs)
}

fn word(word: &str) -> Vec<char> {
    let folded = Folded::new(word.trim());
    folded
        .chars()
        .iter()
        .map(char::to_ascii_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(shapes: &[&str], near: &[&str]) -> Code {
        Code {
            id: "own".to_owned(),
            kind: Kind::EmployeeNumber,
            class: None,
            shapes: shapes.iter().map(ToString::to_string).collect(),
            near: near.iter().map(ToString::to_string).collect(),
        }
    }

    fn prepared(codes: &[Code]) -> Result<Codes, (String, &'static str)> {
        Codes::new(codes, &OwnClasses::default())
    }

    fn found(codes: &Codes, text: &str) -> Vec<String> {
        let document = Document::new(text);
        let mut found = Vec::new();
        codes.find(&document, &mut found);
        let part = |m: &Match| document.folded.part(m.start, m.end).iter().collect();
        found.iter().map(part).collect()
    }

    #[test]
    fn a_shape_is_found_in_every_spelling_and_only_whole() {
        let codes = prepared(&[code(&["KT-####-@"], &[])]).unwrap();
        for text in [
            "社員KT-1234-Bの件",
            "ｋｔ－１２３４－ｂ",
            "(kt1234b)",
            "KT 1234 B",
        ] {
            assert_eq!(found(&codes, text).len(), 1, "{text}");
        }
        for text in [
            "KT-1234-BC",
            "XKT-1234-B",
            "KT-12345-B",
            "KT--1234-B",
            "KT-123-B",
        ] {
            assert!(found(&codes, text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_vague_shape_needs_a_word_near_by_or_its_column() {
        let codes = prepared(&[code(&["######"], &["社番", "Staff"])]).unwrap();
        assert_eq!(found(&codes, "社番は１０４８８２です"), ["104882"]);
        assert_eq!(found(&codes, "104882 (STAFF)"), ["104882"]);
        assert_eq!(found(&codes, "社員番号,氏名\n104882,乙川\n").len(), 1);
        assert!(found(&codes, "在庫は104882個").is_empty());
    }

    #[test]
    fn what_fits_too_much_or_nothing_is_refused() {
        for (shapes, near, about) in [
            (&["######"][..], &[][..], "too much"),
            (&["A#"], &["a"], "3 to 40"),
            (&["-AB#"], &[], "begins and ends"),
            (&[], &[], "looks like"),
            (&["AB#"; 65], &[], "64"),
        ] {
            let (id, problem) = prepared(&[code(shapes, near)]).unwrap_err();
            assert!(id == "own" && problem.contains(about), "{problem}");
        }
        let mut person = code(&["AB#"], &[]);
        person.kind = Kind::Person;
        assert!(prepared(&[person]).unwrap_err().1.contains("type"));
        let twice = [code(&["AB#"], &[]), code(&["AC#"], &[])];
        assert!(prepared(&twice).unwrap_err().1.contains("same id"));
    }
}
