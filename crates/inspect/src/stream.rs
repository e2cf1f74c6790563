//! Masking of text that comes in pieces, with bounded delay.
//!
//! What is masked depends on the text alone, never on where the pieces were cut: the text is divided into blocks at
//! places that follow from the text itself, and each block is looked at together with what came before and a
//! fixed stretch of what comes after. So the pieces of a stream, joined, are the same for every cutting.

use crate::finding::Finding;
use crate::mask::cover;
use crate::scan::Scanner;

/// How much of what comes after a block is looked at with it, in characters.
const AHEAD: usize = 48;
/// How much of what came before is looked at again, at least, in characters.
const BEHIND: usize = 400;
/// A block ends at the end of a line or sentence; a longer one ends between two words.
const BLOCK: usize = 64;
/// A block ends here whatever it holds.
const BLOCK_MAX: usize = 512;
/// Begins and ends a private key, which is longer than any block.
const PEM: (&str, &str) = ("-----BEGIN ", "-----END ");

/// Why bytes could not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// They are not UTF-8.
    #[error("the stream is not UTF-8")]
    NotUtf8,
}

/// Masks a text that comes in pieces.
pub struct Masker {
    scanner: Scanner,
    choose: Box<dyn Fn(&Finding) -> bool + Send>,
    /// What is looked at: some of what was let out, then what waits.
    chars: Vec<char>,
    /// Where what waits begins.
    open: usize,
    /// Ends of blocks in `chars` that were let out, so that what came before begins at one of them.
    ends: Vec<usize>,
    /// Within a private key.
    key: bool,
    /// The beginning of a character whose rest is not there yet.
    partial: Vec<u8>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never what passes.
        f.debug_struct("Masker").finish_non_exhaustive()
    }
}

impl Masker {
    /// A masker of those findings that `choose` picks.
    pub fn new(scanner: Scanner, choose: impl Fn(&Finding) -> bool + Send + 'static) -> Self {
        Self {
            scanner,
            choose: Box::new(choose),
            chars: Vec::new(),
            open: 0,
            ends: vec![0],
            key: false,
            partial: Vec::new(),
        }
    }

    /// Takes a piece and gives what can go out.
    pub fn push(&mut self, piece: &str) -> String {
        self.chars.extend(piece.chars());
        let mut out = String::new();
        while let Some(end) = self.block_end() {
            if self.chars.len() < end + AHEAD {
                break;
            }
            self.let_out(end, end + AHEAD, &mut out);
        }
        out
    }

    /// The same for bytes, which may be cut within a character.
    pub fn push_bytes(&mut self, piece: &[u8]) -> Result<String, StreamError> {
        let mut bytes = std::mem::take(&mut self.partial);
        bytes.extend_from_slice(piece);
        let valid = match std::str::from_utf8(&bytes) {
            Ok(text) => return Ok(self.push(text)),
            Err(error) if error.error_len().is_some() => return Err(StreamError::NotUtf8),
            Err(error) => error.valid_up_to(),
        };
        let (text, rest) = bytes.split_at_checked(valid).ok_or(StreamError::NotUtf8)?;
        self.partial = rest.to_vec();
        let text = std::str::from_utf8(text).map_err(|_| StreamError::NotUtf8)?;
        Ok(self.push(text))
    }

    /// Ends the text and gives the rest.
    pub fn finish(mut self) -> Result<String, StreamError> {
        if !self.partial.is_empty() {
            return Err(StreamError::NotUtf8);
        }
        let mut out = String::new();
        while self.open < self.chars.len() {
            let end = self.block_end().unwrap_or(self.chars.len());
            let seen = self.chars.len().min(end + AHEAD);
            self.let_out(end, seen, &mut out);
        }
        Ok(out)
    }

    /// Where the block that begins at `open` ends; `None` while that can't be told.
    fn block_end(&self) -> Option<usize> {
        let waiting = self.chars.get(self.open..).unwrap_or_default();
        for (at, pair) in waiting.windows(2).enumerate() {
            let &[c, next] = pair else { continue };
            let length = at + 1;
            let sentence = matches!(c, '\n' | '。' | '！' | '？');
            let words = length >= BLOCK && !(in_run(c) && in_run(next));
            if sentence || words || length >= BLOCK_MAX {
                return Some(self.open + length);
            }
        }
        None
    }

    /// Lets the block that ends at `end` out, after a look at everything up to `seen`.
    fn let_out(&mut self, end: usize, seen: usize, out: &mut String) {
        let text: String = self.chars.get(..seen).unwrap_or_default().iter().collect();
        let found: Vec<Finding> = self
            .scanner
            .scan(&text)
            .into_iter()
            .filter(|finding| (self.choose)(finding))
            .collect();
        let block = self.chars.get(self.open..end).unwrap_or_default();
        let said: String = block.iter().collect();
        let in_key = self.key || begins_key(&said);
        if in_key {
            self.key = !said.contains(PEM.1);
        }
        for (at, c) in block.iter().enumerate() {
            let place = u32::try_from(self.open + at).unwrap_or(u32::MAX);
            let within = found
                .iter()
                .any(|finding| finding.start <= place && place < finding.end);
            out.push(if within || in_key { cover(*c) } else { *c });
        }
        self.open = end;
        self.ends.push(end);
        self.forget();
    }

    /// Forgets what came long before, up to the end of a block.
    fn forget(&mut self) {
        let from = self.open.saturating_sub(BEHIND);
        let kept = self.ends.partition_point(|end| *end <= from);
        let Some(cut) = kept
            .checked_sub(1)
            .and_then(|at| self.ends.get(at))
            .copied()
        else {
            return;
        };
        // In large steps, so that little is moved.
        if cut < BEHIND {
            return;
        }
        self.chars.drain(..cut);
        self.open -= cut;
        self.ends.retain(|end| *end >= cut);
        for end in &mut self.ends {
            *end -= cut;
        }
    }
}

fn begins_key(block: &str) -> bool {
    block.find(PEM.0).is_some_and(|at| {
        let rest = block.get(at..).unwrap_or_default();
        let head = rest.lines().next().unwrap_or_default();
        head.contains("PRIVATE KEY")
    })
}

/// Characters that may be in the middle of a number, name or token.
fn in_run(c: char) -> bool {
    c.is_alphanumeric()
        || matches!(
            c,
            '-' | '_' | '.' | '@' | '+' | '/' | '=' | '－' | '‐' | '−' | '＠'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> String {
        let mut masker = Masker::new(Scanner::new(), |_| true);
        let mut out = masker.push(text);
        out.push_str(&masker.finish().unwrap());
        out
    }

    fn cut(text: &str, size: usize) -> String {
        let mut masker = Masker::new(Scanner::new(), |_| true);
        let mut out = String::new();
        for piece in text.as_bytes().chunks(size) {
            out.push_str(&masker.push_bytes(piece).unwrap());
        }
        out.push_str(&masker.finish().unwrap());
        out
    }

    const LETTER: &str = "佐々木様\nお世話になっております。カード番号は4111-1111-1111-1111、電話は０９０－１２３４－５６７８、\
                          メールは taro.yamada@example.co.jp までお願いします。鍵は AKIAIOSFODNN7EXAMPLZ です。\n";

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let text = LETTER.repeat(12);
        let masked = whole(&text);
        assert_eq!(masked.chars().count(), text.chars().count());
        for left in ["4111", "１２３４", "taro", "IOSFODNN"] {
            assert!(!masked.contains(left), "{left} in {masked}");
        }
        for size in [1, 2, 3, 7, 50, 1000] {
            assert_eq!(cut(&text, size), masked, "{size}");
        }
    }

    #[test]
    fn the_delay_is_bounded() {
        let mut masker = Masker::new(Scanner::new(), |_| true);
        let mut waiting = 0;
        for c in LETTER.repeat(20).chars() {
            waiting += 1;
            waiting -= masker.push(&c.to_string()).chars().count();
            assert!(waiting <= BLOCK_MAX + AHEAD, "{waiting}");
        }
    }

    #[test]
    fn a_private_key_is_covered_to_its_end() {
        let body = "MIIEpAIBAAKCAQEA7bq9x0Zk3vY1cW8hJt5nRfD2sLm6uPqX4yGzBe+oHjKiTaQw\n".repeat(30);
        let text = format!(
            "鍵です。\n-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----\n以上です。"
        );
        let masked = cut(&text, 5);
        assert!(!masked.contains("MIIEp"), "{masked}");
        assert!(masked.starts_with("鍵です。") && masked.ends_with("以上です。"));
        assert!(!masked.contains("7bq9x0"));
    }

    #[test]
    fn what_is_not_utf8_is_told() {
        let mut masker = Masker::new(Scanner::new(), |_| true);
        assert_eq!(masker.push_bytes(&[0xff]), Err(StreamError::NotUtf8));
        let mut masker = Masker::new(Scanner::new(), |_| true);
        masker
            .push_bytes("あ".as_bytes().get(..2).unwrap())
            .unwrap();
        assert_eq!(masker.finish(), Err(StreamError::NotUtf8));
    }
}
