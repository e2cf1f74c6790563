//! The objects that PDF is written in: numbers, names, strings, arrays, dictionaries, references.

use std::collections::BTreeMap;

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 48;

/// A dictionary; names without the slash.
pub(super) type Dict = BTreeMap<Vec<u8>, Object>;

/// An object, or an operator of a content stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Object {
    Number(f64),
    Name(Vec<u8>),
    Text(Vec<u8>),
    Array(Vec<Object>),
    Dict(Dict),
    /// The number of another object.
    Reference(u32),
    /// A word: an operator, `true`, `null`, `]`.
    Word(Vec<u8>),
}

impl Object {
    /// The number, if it is a whole one that is not negative.
    pub(super) fn unsigned(&self) -> Option<u32> {
        let Self::Number(number) = self else {
            return None;
        };
        let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(number);
        #[expect(
            clippy::as_conversions,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole and in range"
        )]
        fits.then_some(*number as u32)
    }

    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Number(number) => *number,
            _ => 0.0,
        }
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(self, Self::Name(own) if own == name.as_bytes())
    }
}

/// Reads objects one after the other.
#[derive(Debug)]
pub(super) struct Lexer<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) at: usize,
    /// How many objects may still be read.
    pub(super) nodes: usize,
}

impl<'b> Lexer<'b> {
    pub(super) fn new(bytes: &'b [u8], at: usize) -> Self {
        Self::within(bytes, at, usize::MAX)
    }

    /// Reads so many objects at most.
    pub(super) fn within(bytes: &'b [u8], at: usize, nodes: usize) -> Self {
        Self { bytes, at, nodes }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Past blanks and comments.
    pub(super) fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek() {
            if byte == b'%' {
                while self.peek().is_some_and(|b| !matches!(b, b'\n' | b'\r')) {
                    self.at += 1;
                }
            } else if is_blank(byte) {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    /// The next object or word; `None` at the end and for what nests too deeply.
    pub(super) fn next(&mut self) -> Option<Object> {
        self.object(0)
    }

    fn object(&mut self, depth: usize) -> Option<Object> {
        self.skip_blanks();
        self.nodes = self.nodes.checked_sub(1)?;
        let first = self.peek()?;
        let second = self.bytes.get(self.at + 1).copied();
        match (first, second) {
            (b'/', _) => Some(Object::Name(self.name())),
            (b'(', _) => Some(Object::Text(self.literal())),
            (b'<', Some(b'<')) => {
                self.at += 2;
                let items = self.sequence(b">>", depth)?;
                Some(Object::Dict(pairs(items)))
            }
            (b'<', _) => Some(Object::Text(self.hexadecimal())),
            (b'[', _) => {
                self.at += 1;
                Some(Object::Array(self.sequence(b"]", depth)?))
            }
            (b'>', Some(b'>')) => {
                self.at += 2;
                Some(Object::Word(b">>".to_vec()))
            }
            (b']' | b'{' | b'}' | b')' | b'>', _) => {
                self.at += 1;
                Some(Object::Word(vec![first]))
            }
            _ => Some(self.word()),
        }
    }

    /// Objects up to a closing word.
    fn sequence(&mut self, close: &[u8], depth: usize) -> Option<Vec<Object>> {
        if depth >= DEPTH_MAX {
            return None;
        }
        let mut items = Vec::new();
        loop {
            match self.object(depth + 1)? {
                Object::Word(word) if word == close => return Some(items),
                // `12 0 R`
                Object::Word(word) if word == b"R" => {
                    items.pop();
                    let number = items.pop().and_then(|number| number.unsigned());
                    items.push(Object::Reference(number?));
                }
                item => items.push(item),
            }
        }
    }

    fn name(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut name = Vec::new();
        while let Some(byte) = self.peek().filter(|b| is_regular(*b)) {
            self.at += 1;
            let code = self
                .bytes
                .get(self.at..self.at + 2)
                .filter(|_| byte == b'#');
            let code =
                code.and_then(|code| Some(digit(*code.first()?)? * 16 + digit(*code.get(1)?)?));
            if let Some(code) = code {
                name.push(code);
                self.at += 2;
            } else {
                name.push(byte);
            }
        }
        name
    }

    fn literal(&mut self) -> Vec<u8> {
        self.at += 1;
        let (mut text, mut open) = (Vec::new(), 1_usize);
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'(' => open += 1,
                b')' => {
                    open -= 1;
                    if open == 0 {
                        break;
                    }
                }
                b'\\' => {
                    self.escape(&mut text);
                    continue;
                }
                _ => {}
            }
            text.push(byte);
        }
        text
    }

    fn escape(&mut self, text: &mut Vec<u8>) {
        let Some(byte) = self.peek() else {
            return;
        };
        self.at += 1;
        match byte {
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'b' | b'f' => text.push(b' '),
            b'\r' if self.peek() == Some(b'\n') => self.at += 1,
            b'\r' | b'\n' => {}
            b'0'..=b'7' => {
                let mut code = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(next) = self.peek().filter(|b| (b'0'..=b'7').contains(b)) else {
                        break;
                    };
                    code = code * 8 + u32::from(next - b'0');
                    self.at += 1;
                }
                text.push(u8::try_from(code & 0xFF).unwrap_or(0));
            }
            other => text.push(other),
        }
    }

    fn hexadecimal(&mut self) -> Vec<u8> {
        self.at += 1;
        let (mut text, mut high) = (Vec::new(), None);
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == b'>' {
                break;
            }
            let Some(value) = digit(byte) else {
                continue;
            };
            match high.take() {
                Some(high) => text.push(high * 16 + value),
                None => high = Some(value),
            }
        }
        text.extend(high.map(|high| high * 16));
        text
    }

    /// A number or a word.
    fn word(&mut self) -> Object {
        let start = self.at;
        while self.peek().is_some_and(is_regular) {
            self.at += 1;
        }
        let word = self.bytes.get(start..self.at).unwrap_or_default();
        let numeric = word
            .iter()
            .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'));
        let number = std::str::from_utf8(word).ok().filter(|_| numeric);
        match number.and_then(|number| number.parse().ok()) {
            Some(number) => Object::Number(number),
            None => Object::Word(word.to_vec()),
        }
    }
}

/// Names and values as a dictionary; what is out of step is left out.
fn pairs(items: Vec<Object>) -> Dict {
    let mut dict = Dict::new();
    let mut items = items.into_iter();
    while let Some(item) = items.next() {
        if let Object::Name(name) = item
            && let Some(value) = items.next()
        {
            dict.insert(name, value);
        }
    }
    dict
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0C | b'\r' | b' ')
}

fn is_regular(byte: u8) -> bool {
    !is_blank(byte)
        && !matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%'
        )
}

fn digit(byte: u8) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read() {
        let mut lexer = Lexer::new(
            b"<</A#42 [1 -2.5 3 0 R]/T(a\\(b\\)\\101(c))/H<41 4>>> Tj",
            0,
        );
        let Some(Object::Dict(dict)) = lexer.next() else {
            panic!("no dictionary");
        };
        let list = [
            Object::Number(1.0),
            Object::Number(-2.5),
            Object::Reference(3),
        ];
        assert_eq!(
            dict.get(b"AB".as_slice()),
            Some(&Object::Array(list.to_vec()))
        );
        assert_eq!(
            dict.get(b"T".as_slice()),
            Some(&Object::Text(b"a(b)A(c)".to_vec()))
        );
        assert_eq!(
            dict.get(b"H".as_slice()),
            Some(&Object::Text(b"A@".to_vec()))
        );
        assert_eq!(lexer.next(), Some(Object::Word(b"Tj".to_vec())));
        assert_eq!(lexer.next(), None);
    }

    #[test]
    fn what_nests_too_deeply_is_nothing() {
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert_eq!(Lexer::new(&deep, 0).next(), None);
    }
}
