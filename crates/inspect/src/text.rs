//! Folding: one spelling for what people and evaders write in many, with the way back to the original.
//!
//! Detection works on folded characters only; what is masked or reported is always the original. Full and
//! half width, compatibility forms, invisible characters, combining marks, and the many hyphens and
//! spaces are folded away. Kanji digits stay as they are (they are letters of names as well) and are read
//! as digits only inside runs of digits, see [`digit_value`].

use std::sync::LazyLock;

use unicode_normalization::char::decompose_compatible;

/// A text, folded, with the code points of the original that every folded character stands for.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    chars: Vec<char>,
    /// Start and end in the original for each character; empty as long as both are the same.
    map: Vec<(u32, u32)>,
    identity: bool,
}

/// Half-width katakana from U+FF61, in order.
const HALF_WIDTH: [char; 63] = [
    '。', '「', '」', '、', '・', 'ヲ', 'ァ', 'ィ', 'ゥ', 'ェ', 'ォ', 'ャ', 'ュ', 'ョ', 'ッ', 'ー',
    'ア', 'イ', 'ウ', 'エ', 'オ', 'カ', 'キ', 'ク', 'ケ', 'コ', 'サ', 'シ', 'ス', 'セ', 'ソ', 'タ',
    'チ', 'ツ', 'テ', 'ト', 'ナ', 'ニ', 'ヌ', 'ネ', 'ノ', 'ハ', 'ヒ', 'フ', 'ヘ', 'ホ', 'マ', 'ミ',
    'ム', 'メ', 'モ', 'ヤ', 'ユ', 'ヨ', 'ラ', 'リ', 'ル', 'レ', 'ロ', 'ワ', 'ン', '゛', '゜',
];

/// Whether a byte is a character that every text keeps.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii() && byte != b'\r'
}

fn is_plain_char(c: char) -> bool {
    c.is_ascii() && c != '\r'
}

/// What one character folds to.
enum Fold {
    Keep(char),
    Drop,
    /// A voicing mark that joins the kana before it.
    Mark {
        semi: bool,
    },
    Expand,
}

impl Folded {
    /// Folds `text`.
    pub(crate) fn new(text: &str) -> Self {
        let kept = &*KEPT;
        let mut folded = Self {
            // Between one and three bytes a character.
            chars: Vec::with_capacity(text.len() / 2),
            map: Vec::new(),
            identity: true,
        };
        let (mut rest, mut at) = (text, 0_u32);
        loop {
            let taken = folded.take_ascii(rest, at);
            at = at.saturating_add(u32::try_from(taken).unwrap_or(u32::MAX));
            let mut chars = rest.get(taken..).unwrap_or_default().chars();
            // Nearly all characters of nearly all texts are kept as they are.
            loop {
                rest = chars.as_str();
                let Some(c) = chars.next().filter(|c| !is_plain_char(*c)) else {
                    break;
                };
                if kept.has(c) {
                    folded.push(c, at);
                } else {
                    folded.push_folded(c, at);
                }
                at = at.saturating_add(1);
            }
            if rest.is_empty() {
                return folded;
            }
        }
    }

    /// Takes the ASCII characters that `text` begins with; gives how many they are.
    fn take_ascii(&mut self, text: &str, at: u32) -> usize {
        let bytes = text.as_bytes();
        let run = bytes.iter().position(|b| !is_plain(*b));
        let run = bytes.get(..run.unwrap_or(bytes.len())).unwrap_or_default();
        self.chars.extend(run.iter().copied().map(char::from));
        if !self.identity {
            self.map
                .extend((at..).take(run.len()).map(|at| (at, at.saturating_add(1))));
        }
        run.len()
    }

    /// Whether `word` stands at `at`.
    pub(crate) fn has(&self, at: usize, word: &str) -> bool {
        word.chars()
            .enumerate()
            .all(|(offset, c)| self.at(at + offset) == c)
    }

    fn push(&mut self, c: char, at: u32) {
        if !self.identity {
            self.map.push((at, at.saturating_add(1)));
        }
        self.chars.push(c);
    }

    fn push_folded(&mut self, c: char, at: u32) {
        match fold(c) {
            Fold::Keep(kept) => self.push(kept, at),
            Fold::Drop => self.diverge(),
            Fold::Mark { semi } => match self
                .chars
                .last()
                .copied()
                .and_then(|kana| voiced(kana, semi))
            {
                Some(joined) => {
                    self.diverge();
                    if let Some(last) = self.chars.last_mut() {
                        *last = joined;
                    }
                    if let Some((_, end)) = self.map.last_mut() {
                        *end = at.saturating_add(1);
                    }
                }
                None => self.push(if semi { '゜' } else { '゛' }, at),
            },
            Fold::Expand => {
                self.diverge();
                let (chars, map) = (&mut self.chars, &mut self.map);
                decompose_compatible(c, |part| {
                    if let Fold::Keep(kept) = fold_simple(part) {
                        chars.push(kept);
                        map.push((at, at.saturating_add(1)));
                    }
                });
            }
        }
    }

    /// From here on places in the folded text and the original differ.
    fn diverge(&mut self) {
        if self.identity {
            self.identity = false;
            let known = u32::try_from(self.chars.len()).unwrap_or(u32::MAX);
            self.map.reserve(self.chars.capacity());
            self.map.extend((0..known).map(|at| (at, at + 1)));
        }
    }

    /// The folded characters.
    pub(crate) fn chars(&self) -> &[char] {
        &self.chars
    }

    /// The character at `index`, or NUL outside the text.
    pub(crate) fn at(&self, index: usize) -> char {
        self.chars.get(index).copied().unwrap_or('\0')
    }

    /// The character before `index`, or NUL at the beginning.
    pub(crate) fn before(&self, index: usize) -> char {
        index.checked_sub(1).map_or('\0', |at| self.at(at))
    }

    /// The part from `start` to `end`, empty where that is outside.
    pub(crate) fn part(&self, start: usize, end: usize) -> &[char] {
        self.chars
            .get(start..end.min(self.chars.len()))
            .unwrap_or_default()
    }

    /// The code points of the original that the folded `start..end` stands for.
    pub(crate) fn original(&self, start: usize, end: usize) -> (u32, u32) {
        if self.identity {
            let cut = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            return (cut(start), cut(end));
        }
        let first = self.map.get(start).map_or(0, |span| span.0);
        let last = end
            .checked_sub(1)
            .and_then(|at| self.map.get(at))
            .map_or(first, |span| span.1);
        (first, last)
    }
}

/// Which characters below U+10000 fold to themselves, one bit each.
struct Kept([u64; 1024]);

static KEPT: LazyLock<Kept> = LazyLock::new(|| {
    let mut kept = Kept([0; 1024]);
    for c in '\0'..='\u{FFFF}' {
        if let (Fold::Keep(same), Some(slot)) = (fold(c), kept.0.get_mut(place(c)))
            && same == c
        {
            *slot |= 1 << (u32::from(c) & 63);
        }
    }
    kept
});

#[expect(clippy::as_conversions, reason = "the result is below 2^26")]
fn place(c: char) -> usize {
    (u32::from(c) >> 6) as usize
}

impl Kept {
    #[inline]
    fn has(&self, c: char) -> bool {
        let slot = self.0.get(place(c)).copied().unwrap_or(0);
        slot >> (u32::from(c) & 63) & 1 == 1
    }
}

/// The present form of an old or local form of a character that names are written with; other characters as they
/// are.
pub(crate) fn modern(c: char) -> char {
    match c {
        '髙' => '高',
        '﨑' | '嵜' | '碕' => '崎',
        '濵' | '濱' => '浜',
        '德' => '徳',
        '栁' => '柳',
        '槗' => '橋',
        '\u{20BB7}' => '吉',
        '邊' | '邉' => '辺',
        '澤' => '沢',
        '嶋' | '嶌' => '島',
        '齋' | '齊' | '斉' => '斎',
        '廣' => '広',
        '國' => '国',
        '瀨' => '瀬',
        '眞' => '真',
        '櫻' => '桜',
        '與' => '与',
        '氣' => '気',
        '學' => '学',
        '榮' => '栄',
        '惠' => '恵',
        '壽' => '寿',
        '禮' => '礼',
        '條' => '条',
        '藏' => '蔵',
        '圓' => '円',
        '冨' => '富',
        '萬' => '万',
        '莊' => '荘',
        '豐' => '豊',
        '寶' | '寳' => '宝',
        '實' => '実',
        '淺' => '浅',
        '彌' => '弥',
        '桒' => '桑',
        '曾' => '曽',
        '龍' => '竜',
        '瀧' => '滝',
        '縣' => '県',
        '關' => '関',
        '邨' => '村',
        '鐵' => '鉄',
        '會' => '会',
        '增' => '増',
        '鄕' => '郷',
        '靜' => '静',
        '飮' => '飲',
        '舘' => '館',
        '籔' => '薮',
        '檜' => '桧',
        _ => c,
    }
}

fn fold(c: char) -> Fold {
    let new = modern(c);
    if new != c {
        return Fold::Keep(new);
    }
    match c {
        // The bulk of Japanese text is as it should be.
        '\u{3001}'..='\u{3035}'
        | '\u{3041}'..='\u{3096}'
        | '\u{309B}'..='\u{30FE}'
        | '\u{3400}'..='\u{9FFF}'
        // Hangul; and ㊙, which is a marking, not a letter.
        | '\u{AC00}'..='\u{D7A3}'
        | '\u{3299}' => Fold::Keep(c),
        '\u{FF61}'..='\u{FF9D}' => {
            let at = usize::try_from(u32::from(c) - 0xFF61).unwrap_or(usize::MAX);
            HALF_WIDTH
                .get(at)
                .map_or(Fold::Drop, |kana| Fold::Keep(*kana))
        }
        '\u{3099}' | '\u{FF9E}' => Fold::Mark { semi: false },
        '\u{309A}' | '\u{FF9F}' => Fold::Mark { semi: true },
        '\u{FF01}'..='\u{FF5E}' => {
            char::from_u32(u32::from(c) - 0xFEE0).map_or(Fold::Drop, Fold::Keep)
        }
        _ => match fold_simple(c) {
            Fold::Keep(kept) if kept == c => {
                let mut parts = 0_usize;
                let mut same = true;
                decompose_compatible(c, |part| {
                    parts += 1;
                    same &= part == c;
                });
                if parts == 1 && same {
                    Fold::Keep(c)
                } else {
                    Fold::Expand
                }
            }
            other => other,
        },
    }
}

/// Folds what needs no look at the Unicode tables.
fn fold_simple(c: char) -> Fold {
    match c {
        '\r'
        | '\u{00AD}'
        | '\u{034F}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}'
        | '\u{0300}'..='\u{036F}'
        | '\u{20D0}'..='\u{20FF}'
        | '\u{115F}'..='\u{1160}'
        | '\u{3164}'
        | '\u{E0000}'..='\u{E0FFF}' => Fold::Drop,
        '\u{00A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => {
            Fold::Keep(' ')
        }
        '\u{2028}' | '\u{2029}' | '\u{0085}' => Fold::Keep('\n'),
        '\u{2010}'..='\u{2015}'
        | '\u{2043}'
        | '\u{2212}'
        | '\u{02D7}'
        | '\u{2500}'..='\u{2501}'
        | '\u{2796}'
        | '\u{FE58}'
        | '\u{FE63}' => Fold::Keep('-'),
        '\u{00B7}' | '\u{2022}' | '\u{2219}' | '\u{22C5}' => Fold::Keep('・'),
        '\u{0660}'..='\u{0669}' => digit_from(c, 0x0660),
        '\u{06F0}'..='\u{06F9}' => digit_from(c, 0x06F0),
        '\u{0966}'..='\u{096F}' => digit_from(c, 0x0966),
        '\u{2776}'..='\u{277E}' => digit_from(c, 0x2775),
        '\u{24FF}' => Fold::Keep('0'),
        _ => Fold::Keep(c),
    }
}

fn digit_from(c: char, zero: u32) -> Fold {
    char::from_digit(u32::from(c).saturating_sub(zero), 10).map_or(Fold::Drop, Fold::Keep)
}

/// `kana` with a voicing mark, where there is such a kana.
fn voiced(kana: char, semi: bool) -> Option<char> {
    let takes_semi = matches!(
        kana,
        'ハ' | 'ヒ' | 'フ' | 'ヘ' | 'ホ' | 'は' | 'ひ' | 'ふ' | 'へ' | 'ほ'
    );
    let takes = takes_semi
        || matches!(
            kana,
            'カ' | 'キ'
                | 'ク'
                | 'ケ'
                | 'コ'
                | 'サ'
                | 'シ'
                | 'ス'
                | 'セ'
                | 'ソ'
                | 'タ'
                | 'チ'
                | 'ツ'
                | 'テ'
                | 'ト'
                | 'か'
                | 'き'
                | 'く'
                | 'け'
                | 'こ'
                | 'さ'
                | 'し'
                | 'す'
                | 'せ'
                | 'そ'
                | 'た'
                | 'ち'
                | 'つ'
                | 'て'
                | 'と'
        );
    match (kana, semi) {
        ('ウ', false) => Some('ヴ'),
        ('う', false) => Some('ゔ'),
        _ if semi && takes_semi => char::from_u32(u32::from(kana) + 2),
        _ if !semi && takes => char::from_u32(u32::from(kana) + 1),
        _ => None,
    }
}

/// The value of an ASCII or kanji digit.
pub(crate) fn digit_value(c: char) -> Option<u8> {
    match c {
        '0'..='9' => u8::try_from(u32::from(c) - 0x30).ok(),
        '〇' | '零' | '○' => Some(0),
        '一' | '壱' => Some(1),
        '二' | '弐' => Some(2),
        '三' | '参' => Some(3),
        '四' => Some(4),
        '五' | '伍' => Some(5),
        '六' => Some(6),
        '七' => Some(7),
        '八' => Some(8),
        '九' => Some(9),
        _ => None,
    }
}

/// Whether `c` is a kanji, the repetition mark included.
pub(crate) fn is_kanji(c: char) -> bool {
    matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '々' | '〆' | '\u{20000}'..='\u{2FFFF}')
}

/// Whether `c` is a katakana letter or the long-vowel mark.
pub(crate) fn is_katakana(c: char) -> bool {
    matches!(c, '\u{30A1}'..='\u{30FA}' | 'ー')
}

/// Whether `c` is a hiragana letter or the long-vowel mark.
pub(crate) fn is_hiragana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{3096}' | 'ー')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        Folded::new(text).chars().iter().collect()
    }

    #[test]
    fn widths_marks_and_hyphens_fold() {
        assert_eq!(folded("ＡＢＣ１２３－４５"), "ABC123-45");
        assert_eq!(folded("ﾀｹｻﾞﾜ ﾊﾟﾊﾟ"), "タケザワ パパ");
        assert_eq!(folded("か\u{3099}は\u{309A}"), "がぱ");
        assert_eq!(folded("1−2‐3–4—5"), "1-2-3-4-5");
        assert_eq!(folded("㍻㈱①"), "平成(株)1");
        assert_eq!(folded("1\u{200B}2\u{FEFF}3\u{20E3}"), "123");
        assert_eq!(folded("Ōta"), "Ota");
    }

    #[test]
    fn spans_lead_back_to_the_original() {
        let text = "a\u{200B}b\u{200B}ﾀﾞc㍻d";
        let f = Folded::new(text);
        assert_eq!(f.chars().iter().collect::<String>(), "abダc平成d");
        assert_eq!(f.original(0, 2), (0, 3));
        assert_eq!(f.original(2, 3), (4, 6));
        assert_eq!(f.original(4, 6), (7, 8));
        assert_eq!(f.original(6, 7), (8, 9));
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for text in ["ﾀｹｻﾞﾜ　①②", "０９０－１２３４", "㍻三年", "café ﬁ"]
        {
            let once = folded(text);
            assert_eq!(folded(&once), once);
        }
    }
}
