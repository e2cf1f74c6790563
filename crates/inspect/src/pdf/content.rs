//! The text that a content stream shows, with line breaks and blanks where the eye sees them.

use std::collections::{BTreeMap, BTreeSet};

use super::font::Font;
use super::object::{Lexer, Object, is_blank};
use super::text_string;

/// Most operands of an operator; more are noise.
const OPERANDS_MAX: usize = 64;
/// Deepest nesting of graphics states.
const STATES_MAX: usize = 256;

/// Fonts and pictures by the names that a content stream has for them.
#[derive(Debug, Default)]
pub(super) struct Resources<'f> {
    pub(super) fonts: BTreeMap<Vec<u8>, &'f Font>,
    pub(super) images: BTreeSet<Vec<u8>>,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) text: String,
    /// Codes that were shown.
    pub(super) codes: usize,
    /// Those that stand for nothing that we know.
    pub(super) unknown: usize,
    /// Whether there are pictures.
    pub(super) pictures: bool,
}

/// `[a b c d e f]`
#[derive(Debug, Clone, Copy)]
struct Matrix([f64; 6]);

impl Matrix {
    const ONE: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    fn of(operands: &[Object]) -> Self {
        let numbers = <&[Object; 6]>::try_from(operands);
        numbers.map_or(Self::ONE, |six| Self(six.each_ref().map(Object::number)))
    }

    /// First this, then `next`.
    fn then(self, next: Self) -> Self {
        let (first, next) = (self.0, next.0);
        let turned = |x: f64, y: f64| (x * next[0] + y * next[2], x * next[1] + y * next[3]);
        let (right, up) = (turned(first[0], first[1]), turned(first[2], first[3]));
        let place = turned(first[4], first[5]);
        let place = (place.0 + next[4], place.1 + next[5]);
        Self([right.0, right.1, up.0, up.1, place.0, place.1])
    }

    fn moved(self, x: f64, y: f64) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y]).then(self)
    }

    fn place(self) -> (f64, f64) {
        (self.0[4], self.0[5])
    }

    /// How high a letter of size 1 is.
    fn height(self) -> f64 {
        self.0[2].hypot(self.0[3])
    }
}

/// The state of a content stream.
struct Reader<'r> {
    resources: &'r Resources<'r>,
    seen: Seen,
    /// Where the page is, and where it was outside of the current state.
    page: Matrix,
    states: Vec<Matrix>,
    /// Where the line begins, and where the next letter comes.
    line: Matrix,
    pen: Matrix,
    font: Option<&'r Font>,
    size: f64,
    leading: f64,
    /// Where the last letter ended.
    last: Option<(f64, f64)>,
}

/// Reads a content stream.
pub(super) fn read(bytes: &[u8], resources: &Resources<'_>) -> Seen {
    let mut reader = Reader {
        resources,
        seen: Seen::default(),
        page: Matrix::ONE,
        states: Vec::new(),
        line: Matrix::ONE,
        pen: Matrix::ONE,
        font: None,
        size: 1.0,
        leading: 0.0,
        last: None,
    };
    let mut lexer = Lexer::new(bytes, 0);
    let mut operands: Vec<Object> = Vec::new();
    while let Some(object) = lexer.next() {
        match object {
            Object::Word(word) if word == b"BI" => {
                reader.seen.pictures = true;
                operands.clear();
                skip_image(&mut lexer);
            }
            Object::Word(word) => {
                reader.run(&word, &operands);
                operands.clear();
            }
            object if operands.len() < OPERANDS_MAX => operands.push(object),
            _ => {}
        }
    }
    reader.seen
}

/// Past the bytes of a picture within a content stream.
fn skip_image(lexer: &mut Lexer<'_>) {
    let rest = lexer.bytes.get(lexer.at..).unwrap_or_default();
    let ends = memchr::memmem::find_iter(rest, b"EI").find(|at| {
        let blank = |at: usize| rest.get(at).is_none_or(|b| is_blank(*b));
        at.checked_sub(1).is_some_and(blank) && blank(at + 2)
    });
    lexer.at += ends.map_or(rest.len(), |at| at + 2);
}

impl Reader<'_> {
    fn run(&mut self, operator: &[u8], operands: &[Object]) {
        match (operator, operands) {
            (b"q", _) if self.states.len() < STATES_MAX => self.states.push(self.page),
            (b"Q", _) => self.page = self.states.pop().unwrap_or(self.page),
            (b"cm", matrix) => self.page = Matrix::of(matrix).then(self.page),
            (b"BT", _) => self.set(Matrix::ONE),
            (b"Tm", matrix) => self.set(Matrix::of(matrix)),
            (b"Tf", [Object::Name(font), size]) => {
                self.font = self.resources.fonts.get(font).copied();
                self.size = size.number();
            }
            (b"TL", [leading]) => self.leading = leading.number(),
            (b"Td", [x, y]) => self.set(self.line.moved(x.number(), y.number())),
            (b"TD", [x, y]) => {
                self.leading = -y.number();
                self.set(self.line.moved(x.number(), y.number()));
            }
            (b"T*", _) => self.new_line(),
            (b"Tj", [Object::Text(text)]) => self.show(text),
            (b"'", [Object::Text(text)]) | (b"\"", [_, _, Object::Text(text)]) => {
                self.new_line();
                self.show(text);
            }
            (b"TJ", [Object::Array(parts)]) => {
                for part in parts {
                    match part {
                        Object::Text(text) => self.show(text),
                        gap => self.advance(-gap.number()),
                    }
                }
            }
            (b"Do", [Object::Name(name)]) => {
                self.seen.pictures |= self.resources.images.contains(name);
            }
            (b"BDC" | b"DP", [_, Object::Dict(properties)]) => {
                if let Some(Object::Text(text)) = properties.get(b"ActualText".as_slice()) {
                    self.seen.text.push_str(&text_string(text));
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, matrix: Matrix) {
        (self.line, self.pen) = (matrix, matrix);
    }

    fn new_line(&mut self) {
        self.set(self.line.moved(0.0, -self.leading));
    }

    /// Moves the pen by thousandths of the size.
    fn advance(&mut self, width: f64) {
        self.pen = self.pen.moved(width / 1000.0 * self.size, 0.0);
    }

    fn show(&mut self, bytes: &[u8]) {
        let there = self.pen.then(self.page);
        let (x, y) = there.place();
        let height = (there.height() * self.size).abs();
        if let Some((last_x, last_y)) = self.last {
            if (y - last_y).abs() > height / 2.0 {
                self.seen.text.push('\n');
            } else if x - last_x > height / 5.0 || last_x - x > height {
                self.seen.text.push(' ');
            }
        }
        let Some(font) = self.font else {
            // Without its font nobody can tell what it shows.
            self.seen.codes += bytes.len();
            self.seen.unknown += bytes.len();
            return;
        };
        let shown = font.show(bytes, &mut self.seen.text);
        self.seen.codes += shown.codes;
        self.seen.unknown += shown.unknown;
        self.advance(shown.width);
        self.last = Some(self.pen.then(self.page).place());
    }
}
