//! Orders to the model: words that follow each other within a sentence.
//!
//! One pass finds all words of all sets; a pattern is a row of sets, each word of which must come soon after
//! the one before, in the same sentence. Words of Latin letters stand alone, unless they end with `*`.

use std::ops::Range;
use std::sync::LazyLock;

use super::{Names, Ruse};
use crate::lexicon::Lexicon;
use crate::text::Folded;

/// A place in the folded text with what it is.
pub(super) type Found = (Ruse, Range<usize>);

/// One word of a set, at a place.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    place: Range<usize>,
    /// The sets that it is in, one bit each.
    sets: u64,
}

/// Farthest that one word of a pattern may be from the next, in characters.
const GAP_MAX: usize = 48;
/// Longest sentence that is looked at, to either side.
const SENTENCE_CHARS_MAX: usize = 1_000;
/// Longest word of a set; a bound for looking back.
const WORD_CHARS_MAX: usize = 64;

/// Declares the sets: the bit of each, and its words.
macro_rules! sets {
    ($($bit:literal $name:ident = $words:expr;)+) => {
        mod set {
            $(pub(super) const $name: u64 = 1 << $bit;)+
        }
        const SETS: &[(u64, &[&str])] = &[$((set::$name, &$words),)+];
    };
}

#[rustfmt::skip]
sets! {
    0 IGNORE = ["ignore", "disregard", "forget", "override", "bypass", "neglect", "do not follow", "don't follow", "stop following", "supersede*"];
    1 EARLIER = ["previous", "prior", "above", "earlier", "preceding", "existing", "original", "system", "all", "any", "other", "your", "developer", "safety"];
    2 ORDERS = ["instruction*", "prompt", "prompts", "directive*", "guideline*", "guardrail*", "rules", "safety rule*", "polic*", "restriction*"];
    3 NO_TELLING = ["do not tell", "don't tell", "do not mention", "don't mention", "do not inform", "don't inform", "do not reveal", "don't reveal", "do not disclose", "do not notify", "don't notify", "do not show", "never tell", "never mention", "never reveal", "never inform", "without telling", "without informing", "without notifying", "without mentioning", "without asking", "without alerting", "hide this from", "hide it from", "keep this from", "do not let", "don't let"];
    4 PERSON = ["user", "users", "user's", "human", "person", "operator", "anyone", "customer", "them"];
    5 ROLE = ["you are now", "you are no longer", "act as if you", "pretend to be", "pretend you", "from now on you", "from now on, you", "new instructions", "new system prompt", "system prompt", "your real task", "your true task", "your new task", "developer mode", "jailbreak*", "end of system", "begin system", "<important>", "</important>", "<system>", "<|im_start|>", "<|system|>", "[system]", "[inst]", "### system", "### instruction", "<instructions>", "<secret>", "<assistant>", "system override", "admin override"];
    6 MODEL = ["ai assistant", "ai model", "language model", "llm", "assistant", "the model", "the agent", "claude", "chatgpt", "gpt-4", "gemini", "copilot"];
    7 MUST = ["must", "should always", "has to", "have to", "shall", "are required to", "is required to", "need to"];
    8 BEFORE = ["before using", "before calling", "before invoking", "before you use", "before you call", "before any", "prior to using", "prior to calling", "before running", "whenever you use", "when using any", "after using", "after calling"];
    9 ACT = ["read", "call", "invoke", "include", "send", "fetch", "run", "execute", "access", "open", "pass", "append", "forward", "cat", "copy", "add", "set"];
    10 ALWAYS = ["always", "you must", "first", "otherwise", "make sure", "be sure", "required", "mandatory", "必ず", "最初に", "まず", "常に"];
    11 CONFIRM = ["without confirmation", "without approval", "without consent", "without asking", "without permission", "without verification", "skip confirmation", "skip approval", "skip the confirmation", "skip the approval", "bypass approval", "bypass confirmation", "do not ask for confirmation", "don't ask for confirmation", "do not ask for approval", "no need to confirm with", "do not verify", "auto-approve", "approve automatically"];
    12 SECRETLY = ["secretly", "covertly", "surreptitiously", "silently send", "silently forward", "silently include", "without their knowledge"];
    13 CONTENT = ["its content*", "the content*", "contents", "the file", "the conversation", "conversation history", "chat history", "the result", "previous messages", "all messages", "environment variable*", "api key*", "credential*", "password*", "access token*", "secrets", "private key*", "system prompt"];
    14 INTO = ["as the", "in the", "into the", "as a", "to the", "to this", "here", "in this", "as this"];
    15 PARAMETER = ["parameter", "argument", "field", "sidenote", "note", "context", "metadata"];
    16 SECRET_FILE = ["~/.ssh", ".ssh/", "id_rsa", "id_ed25519", "/etc/passwd", "/etc/shadow", "~/.aws", ".aws/credentials", "~/.cursor", "mcp.json", ".env file", "~/.netrc", ".npmrc", ".git-credentials", "~/.kube", "keychain", "~/.config", "~/.bash_history", "/proc/self/environ", "cookies.sqlite"];
    17 STEER = ["always", "must", "instead of", "rather than", "never use", "do not use", "don't use", "before", "after", "when", "whenever", "every time", "override*", "replace*", "bcc", "also send", "prefer this", "の代わりに", "代わり", "必ず", "常に", "使うときは", "使う前に", "呼ぶ前に", "使用する前に", "使わず", "使用しない", "実行前に", "優先"];
    18 STEER_HARD = ["always", "must", "instead of", "rather than", "never use", "do not use", "don't use", "override*", "bcc", "also send", "prefer this", "の代わりに", "必ず", "常に", "使わず", "使用しない", "優先"];
    19 SEND = ["send", "post", "upload", "forward", "transmit", "exfiltrate", "submit", "append", "leak", "deliver", "include", "送信", "送る", "送って", "転送", "アップロード", "投稿", "送付", "付与"];
    20 DATA = ["data", "conversation", "history", "content*", "result*", "response*", "message*", "query", "file*", "credential*", "token*", "key", "keys", "email*", "secret*", "information", "会話", "履歴", "内容", "結果", "データ", "ファイル", "情報", "認証", "パスワード", "本文", "全文"];
    21 JA_ORDERS = ["指示", "命令", "ルール", "規則", "プロンプト", "制約", "制限", "ガイドライン", "方針", "設定"];
    22 JA_IGNORE = ["無視", "忘れて", "忘れろ", "忘れな", "破棄", "従わない", "従わず", "従うな", "上書き", "取り消し", "撤回", "守らなくて", "守る必要は"];
    23 JA_PERSON = ["ユーザー", "ユーザ", "利用者", "使用者", "人間", "担当者", "管理者", "本人", "相手", "誰に"];
    24 JA_NO_TELLING = ["知らせない", "知らせず", "知らせる必要は", "知らせるな", "伝えない", "伝えず", "伝えるな", "伝えてはいけ", "伝えてはなら", "言わない", "言わず", "言うな", "見せない", "見せず", "見せるな", "報告しない", "報告せず", "報告するな", "通知しない", "通知せず", "通知するな", "教えない", "教えず", "教えるな", "明かさない", "表示しない", "表示せず", "気づかれない", "気付かれない", "気づかれず", "気付かれず", "悟られ", "隠して", "秘密に", "内緒", "黙って", "説明しない", "触れない", "言及しない"];
    25 JA_SECRETLY = ["こっそり", "ひそかに", "密かに", "秘密裏に", "気づかれないように", "気付かれないように", "気づかれずに", "内密に"];
    26 JA_ROLE = ["あなたは今から", "あなたはこれから", "あなたは今後", "今からあなたは", "これからあなたは", "新しい指示", "本当の指示", "真の目的", "システムプロンプト", "システム指示", "開発者モード", "管理者モード", "【重要】aiへ", "aiへの指示", "aiへの命令", "モデルへの指示", "アシスタントへの指示", "llmへの指示", "ai向けの指示"];
    27 JA_BEFORE = ["を使う前に", "を呼ぶ前に", "を呼び出す前に", "を実行する前に", "を使用する前に", "の使用前に", "の実行前に", "を使うたびに", "を使うときは", "を利用する前に", "の利用前に", "を使った後", "を実行した後"];
    28 JA_ACT = ["読み取", "読み込", "読んで", "読むこと", "呼び出", "呼ぶこと", "実行し", "送信", "含め", "添付", "渡", "加え", "取得"];
    29 JA_CONFIRM = ["承認を得ずに", "承認なしで", "承認なしに", "確認せずに", "確認なしで", "確認なしに", "確認を求めず", "確認を取らず", "許可なく", "許可を得ずに", "同意なしに", "同意を得ずに", "承認を省略", "確認を省略", "承認をスキップ", "確認をスキップ", "承認は不要", "確認は不要です。"];
}

static WORDS: LazyLock<Lexicon<(u64, bool)>> = LazyLock::new(|| {
    let mut words: Vec<(&str, bool, u64)> = Vec::new();
    for (set, list) in SETS {
        for word in *list {
            let stem = word.strip_suffix('*');
            let (text, open) = (stem.unwrap_or(word), stem.is_some());
            let known = words
                .iter_mut()
                .find(|known| known.0 == text && known.1 == open);
            match known {
                Some(known) => known.2 |= *set,
                None => words.push((text, open, *set)),
            }
        }
    }
    Lexicon::new(
        words
            .into_iter()
            .map(|(text, open, sets)| (text, (sets, open))),
    )
});

/// Rows of sets that make an order.
#[rustfmt::skip]
const PATTERNS: &[(Ruse, &[u64])] = &[
    (Ruse::Instruction, &[set::IGNORE, set::EARLIER, set::ORDERS]),
    (Ruse::Instruction, &[set::NO_TELLING, set::PERSON]),
    (Ruse::Instruction, &[set::ROLE]),
    (Ruse::Instruction, &[set::MODEL, set::MUST]),
    (Ruse::Instruction, &[set::BEFORE, set::ALWAYS, set::ACT]),
    (Ruse::Instruction, &[set::BEFORE, set::ACT, set::CONTENT]),
    (Ruse::Instruction, &[set::CONFIRM]),
    (Ruse::Instruction, &[set::SECRETLY]),
    (Ruse::Instruction, &[set::JA_ORDERS, set::JA_IGNORE]),
    (Ruse::Instruction, &[set::JA_PERSON, set::JA_NO_TELLING]),
    (Ruse::Instruction, &[set::JA_SECRETLY]),
    (Ruse::Instruction, &[set::JA_ROLE]),
    (Ruse::Instruction, &[set::JA_BEFORE, set::ALWAYS, set::JA_ACT]),
    (Ruse::Instruction, &[set::ALWAYS, set::JA_BEFORE, set::JA_ACT]),
    (Ruse::Instruction, &[set::JA_CONFIRM]),
    (Ruse::Exfiltration, &[set::SECRET_FILE]),
    (Ruse::Exfiltration, &[set::ACT, set::CONTENT, set::INTO, set::PARAMETER]),
];

/// All words of all sets, in order.
pub(super) fn hits(folded: &Folded) -> Vec<Hit> {
    let chars = folded.chars();
    let mut hits = Vec::new();
    for (at, c) in chars.iter().enumerate() {
        if !WORDS.may_begin(*c, folded.at(at + 1)) {
            continue;
        }
        let begins = !(is_word(*c) && is_word(folded.before(at)));
        for (len, (sets, open)) in WORDS.at(chars, at) {
            let last = folded.before(at + len);
            let ends = open || !(is_word(last) && is_word(folded.at(at + len)));
            if begins && ends {
                hits.push(Hit {
                    place: at..at + len,
                    sets,
                });
            }
        }
    }
    hits
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

/// Finds the patterns.
pub(super) fn find(folded: &Folded, hits: &[Hit], found: &mut Vec<Found>) {
    for (index, hit) in hits.iter().enumerate() {
        for (ruse, sets) in PATTERNS {
            let Some((first, rest)) = sets.split_first() else {
                continue;
            };
            if hit.sets & *first == 0 {
                continue;
            }
            if let Some(end) = follow(
                folded,
                hits.get(index + 1..).unwrap_or_default(),
                hit.place.end,
                rest,
            ) {
                found.push((*ruse, hit.place.start..end));
            }
        }
    }
}

/// The end of the row, if its sets follow each other.
fn follow(folded: &Folded, hits: &[Hit], mut end: usize, sets: &[u64]) -> Option<usize> {
    let mut rest = hits.iter();
    for set in sets {
        // Never farther than the gap: a long text has very many hits.
        let mut near = rest
            .by_ref()
            .take_while(|hit| hit.place.start <= end + GAP_MAX);
        let next = near.find(|hit| hit.place.start >= end && hit.sets & *set != 0)?;
        if ends_sentence(folded.part(end, next.place.start)) {
            return None;
        }
        end = next.place.end;
    }
    Some(end)
}

/// Whether a sentence ends in the part.
fn ends_sentence(part: &[char]) -> bool {
    part.windows(2).any(|pair| match pair {
        ['。' | '!' | '?', _] | ['\n', '\n'] => true,
        ['.', next] => next.is_whitespace(),
        _ => false,
    }) || matches!(part.last(), Some('。' | '!' | '?'))
}

/// Finds the names of other tools in sentences that steer their use.
pub(super) fn find_names(folded: &Folded, hits: &[Hit], names: &Names<'_>, found: &mut Vec<Found>) {
    if names.is_empty() {
        return;
    }
    let mut at = 0;
    while at < folded.chars().len() {
        let place = name_at(folded, at);
        at = place.end.max(at + 1);
        let name: String = folded
            .part(place.start, place.end)
            .iter()
            .map(char::to_ascii_lowercase)
            .collect();
        if place.is_empty() || !names.is_other(&name) {
            continue;
        }
        // A name that is also a word takes stronger words around it.
        let distinctive = name.contains(['_', '-', '.', '/']);
        let steering = if distinctive {
            set::STEER
        } else {
            set::STEER_HARD
        };
        let sentence = sentence_around(folded, place.start);
        let steered = hits.iter().any(|hit| {
            hit.sets & steering != 0
                && sentence.start <= hit.place.start
                && hit.place.end <= sentence.end
                && is_about(folded, hit, &place)
        });
        if steered {
            found.push((Ruse::CrossTool, sentence));
        }
    }
}

/// What may be a name and begins at a place; empty if nothing does.
fn name_at(folded: &Folded, at: usize) -> Range<usize> {
    let mut end = at;
    while is_name(folded.at(end)) {
        end += 1;
    }
    while end > at && matches!(folded.before(end), '.' | '/' | '-') {
        end -= 1;
    }
    at..end
}

/// Whether the steering word stands close enough to the name.
fn is_about(folded: &Folded, hit: &Hit, name: &Range<usize>) -> bool {
    let gap = if hit.place.end <= name.start {
        hit.place.end..name.start
    } else {
        name.end..hit.place.start
    };
    gap.len() <= GAP_MAX && !ends_sentence(folded.part(gap.start, gap.end))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')
}

/// The sentence around a place.
fn sentence_around(folded: &Folded, at: usize) -> Range<usize> {
    let last = folded
        .chars()
        .len()
        .min(at.saturating_add(SENTENCE_CHARS_MAX));
    let is_end = |index: usize| {
        let (c, next) = (folded.at(index), folded.at(index + 1));
        matches!(c, '。' | '!' | '?' | '\n') || (c == '.' && (next.is_whitespace() || next == '\0'))
    };
    let from = at.saturating_sub(SENTENCE_CHARS_MAX);
    let start = (from..at)
        .rev()
        .find(|index| is_end(*index))
        .map_or(from, |end| end + 1);
    let end = (at..last)
        .find(|index| is_end(*index))
        .map_or(last, |end| end + 1);
    start..end
}

/// The hits that begin from `from` on, up to `to`.
fn between(hits: &[Hit], from: usize, to: usize) -> &[Hit] {
    let first = hits.partition_point(|hit| hit.place.start < from);
    let last = hits.partition_point(|hit| hit.place.start < to);
    hits.get(first..last.max(first)).unwrap_or_default()
}

/// Whether data is to be sent, said shortly before `at` in the same sentence.
pub(super) fn sends_before(folded: &Folded, hits: &[Hit], at: usize) -> Option<usize> {
    let near = between(hits, at.saturating_sub(2 * GAP_MAX + WORD_CHARS_MAX), at);
    near.iter().enumerate().find_map(|(index, hit)| {
        let sent = hit.sets & set::SEND != 0
            && hit.place.end <= at
            && at - hit.place.end <= 2 * GAP_MAX
            && !ends_sentence(folded.part(hit.place.end, at));
        let data = |hit: &&Hit| hit.sets & set::DATA != 0 && hit.place.end <= at;
        (sent && near.get(index + 1..)?.iter().any(|hit| data(&hit))).then_some(hit.place.start)
    })
}

/// Whether data is to be sent, said shortly after `end` in the same sentence: the order of Japanese.
pub(super) fn sends_after(folded: &Folded, hits: &[Hit], end: usize) -> Option<usize> {
    let near = between(hits, end, end + GAP_MAX + 1);
    let sent = near.iter().find(|hit| {
        hit.sets & set::SEND != 0 && !ends_sentence(folded.part(end, hit.place.start))
    })?;
    let sentence = sentence_around(folded, sent.place.start);
    let data = |hit: &&Hit| hit.sets & set::DATA != 0 && hit.place.end <= sentence.end;
    let within = between(hits, sentence.start, sentence.end);
    within.iter().find(data).map(|_| sent.place.end)
}
