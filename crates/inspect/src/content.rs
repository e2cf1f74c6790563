//! The inspection of one JSON text under the rules that fit: what is in it, what is done about it, and the text with
//! exactly that done. Where nothing is to be done the text stays, byte for byte.

use std::collections::BTreeSet;

use sekimori_domain::inspection::FlowLabel;

use crate::attachment::{self, Attachment};
use crate::finding::{Class, Finding, Kind};
use crate::json::{Leaf, LeafKind, Unreadable, leaves, splice};
use crate::mask::replace;
use crate::report::Report;
use crate::rules::{Action, Direction, Passage, Rule, RuleSet, decide, decide_unreadable};
use crate::scan::Scanner;
use crate::steering::Steering;
use crate::token::{self, Issued, Tokens};

/// JSON in strings in JSON, and texts in base64 in them, are opened so many times.
const NESTING_MAX: usize = 4;
/// Rounds until nothing more is found in what was changed.
const ROUNDS_MAX: usize = 4;
/// A longer name of a member is no label.
const LABEL_CHARS_MAX: usize = 64;
/// Shorter numbers tell nothing about anybody.
const NUMBER_CHARS_MIN: usize = 4;
/// Most tokens of one content; what is more is covered.
const ISSUED_MAX: usize = 5_000;
/// Ends a leaf where leaves are looked at together: no label reaches across it.
const BETWEEN: &str = "\n}\n";

/// The inspection of one content in one direction.
pub(crate) struct Inspection<'r> {
    set: &'r RuleSet,
    direction: Direction,
    fitting: Vec<&'r Rule>,
    scanner: Scanner,
    tokens: &'r Tokens,
    /// Tokens that were made.
    pub(crate) issued: BTreeSet<Issued>,
    /// What is told to the record.
    pub(crate) report: Report,
    /// The first rule that blocks.
    pub(crate) blocked: Option<Verdict<'r>>,
    /// The first rule that asks for a person.
    pub(crate) asked: Option<Verdict<'r>>,
    /// What in an answer is meant for the model.
    steering: Steering<'r>,
}

/// A rule that does not let something pass as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict<'r> {
    /// Its id.
    pub(crate) rule: &'r str,
    /// What it tells people.
    pub(crate) message: &'r str,
    /// What it is about.
    pub(crate) about: &'static str,
}

impl<'r> Verdict<'r> {
    fn of(rule: &'r Rule, kind: Option<Kind>) -> Self {
        Self {
            rule: &rule.id,
            message: &rule.message,
            about: kind.map_or("a file that cannot be read", Kind::as_str),
        }
    }
}

/// A leaf among the leaves that are looked at together, in code points of their common text.
struct Segment {
    from: u32,
    to: u32,
    leaf: usize,
}

/// What is done to one leaf.
#[derive(Default)]
struct Treatment {
    masked: Vec<Finding>,
    /// What takes the place of what, in code points of the leaf.
    placed: Vec<(u32, u32, String)>,
    redacted: Option<Kind>,
}

impl<'r> Inspection<'r> {
    /// The company's own words for whoever is stopped.
    pub(crate) fn notice(&self) -> &'r str {
        &self.set.settings.notice
    }

    /// Under the rules of `set` that fit.
    pub(crate) fn new(
        set: &'r RuleSet,
        passage: &Passage,
        direction: Direction,
        tokens: &'r Tokens,
    ) -> Self {
        let fitting = set.fitting(passage, direction);
        let scanner = if set.seeks_names(&fitting) {
            Scanner::new()
        } else {
            Scanner::without_names()
        };
        let scanner = set.equip(scanner);
        Self {
            set,
            direction,
            fitting,
            scanner,
            tokens,
            issued: BTreeSet::new(),
            report: Report::new(set.version),
            blocked: None,
            asked: None,
            steering: Steering::new(set, passage, direction),
        }
    }

    /// The same, with a name for the marks around what is no instruction.
    pub(crate) fn marking(mut self, marker: &'r str) -> Self {
        self.steering.marker = marker;
        self
    }

    /// Inspects a JSON text; gives the text that may pass, if it is another one.
    pub(crate) fn json(&mut self, text: &str) -> Result<Option<String>, Unreadable> {
        self.nested(text, 0)
    }

    fn nested(&mut self, text: &str, depth: usize) -> Result<Option<String>, Unreadable> {
        let leaves = leaves(text)?;
        let mut new: Vec<Option<String>> = Vec::new();
        new.resize_with(leaves.len(), || None);
        let declared = declared(&leaves);
        let (flat, segments) = self.flatten(&leaves, &declared, depth, &mut new)?;
        self.plain(&flat, &segments, &leaves, &mut new);
        if depth == 0 {
            self.steering.mark(&leaves, &mut new);
        }
        let mut names = BTreeSet::new();
        let mut edits = Vec::new();
        for (at, (leaf, new)) in leaves.iter().zip(new).enumerate() {
            let Some(mut said) = new else { continue };
            if leaf.kind == LeafKind::Name && !names.insert((leaf.parent, said.clone())) {
                said.push_str(&format!("#{at}"));
            }
            let literal = if leaf.kind == LeafKind::Number {
                said
            } else {
                serde_json::to_string(&said).map_err(|_| Unreadable)?
            };
            edits.push((leaf.start, leaf.end, literal));
        }
        if edits.is_empty() {
            return Ok(None);
        }
        splice(text, &edits).map(Some)
    }

    /// One text of all leaves that are plain text, each behind its name; the others are inspected on their own.
    fn flatten(
        &mut self,
        leaves: &[Leaf<'_>],
        declared: &[bool],
        depth: usize,
        new: &mut [Option<String>],
    ) -> Result<(String, Vec<Segment>), Unreadable> {
        let mut flat = Flat::default();
        let mut told = vec![false; leaves.len()];
        for (at, leaf) in leaves.iter().enumerate() {
            match leaf.kind {
                LeafKind::Name => continue,
                LeafKind::Number if leaf.text.len() < NUMBER_CHARS_MIN => continue,
                LeafKind::Number => {}
                LeafKind::Text if leaf.text.is_empty() => continue,
                LeafKind::Text => {
                    let file = declared.get(at).is_some_and(|declared| *declared);
                    if let Some(done) = self.special(&leaf.text, file, depth)? {
                        if let Some(slot) = new.get_mut(at) {
                            *slot = done;
                        }
                        continue;
                    }
                }
            }
            if let Some(name) = leaf.name.and_then(|name| leaves.get(name).zip(Some(name)))
                && name.0.text.len() <= LABEL_CHARS_MAX * 3
            {
                let first = told
                    .get_mut(name.1)
                    .is_some_and(|told| !std::mem::replace(told, true));
                flat.add(&name.0.text, first.then_some(name.1));
                flat.text.push_str(": ");
                flat.chars += 2;
            }
            flat.add(&leaf.text, Some(at));
            flat.end();
        }
        for (at, leaf) in leaves.iter().enumerate() {
            if leaf.kind == LeafKind::Name && !told.get(at).is_some_and(|told| *told) {
                flat.add(&leaf.text, Some(at));
                flat.end();
            }
        }
        Ok((flat.text, flat.segments))
    }

    /// Inspects a string that is a file or JSON itself: `None` if it is neither, else what takes its place, if
    /// anything does.
    #[expect(clippy::option_option, reason = "neither, unchanged, changed")]
    fn special(
        &mut self,
        text: &str,
        declared: bool,
        depth: usize,
    ) -> Result<Option<Option<String>>, Unreadable> {
        if let Some(found) = attachment::attachment(text, declared) {
            if depth >= NESTING_MAX {
                return Ok(Some(self.opaque("")));
            }
            return Ok(Some(match found {
                Attachment::Opaque(head) => self.opaque(head),
                // Nothing within it can be covered: it passes whole or not at all.
                Attachment::Document(head, inner) => {
                    let changed = self.text(&inner, NESTING_MAX)?.is_some();
                    changed.then(|| attachment::encode(head, "[REDACTED]"))
                }
                Attachment::Text(head, inner) => {
                    let done = self.text(&inner, depth + 1)?;
                    done.map(|new| attachment::encode(head, &new))
                }
            }));
        }
        if depth < NESTING_MAX && is_json(text) {
            return self.nested(text, depth + 1).map(Some);
        }
        Ok(None)
    }

    /// Inspects a text that stands alone.
    fn text(&mut self, text: &str, depth: usize) -> Result<Option<String>, Unreadable> {
        if depth < NESTING_MAX && is_json(text) {
            return self.nested(text, depth);
        }
        let leaf = Leaf {
            kind: LeafKind::Text,
            start: 0,
            end: text.len(),
            text: text.into(),
            name: None,
            parent: 0,
        };
        let mut flat = Flat::default();
        flat.add(text, Some(0));
        let mut new = [None];
        self.plain(&flat.text, &flat.segments, &[leaf], &mut new);
        let [new] = new;
        Ok(new)
    }

    /// What takes the place of a file that can't be read.
    fn opaque(&mut self, head: &str) -> Option<String> {
        self.report.unreadable = self.report.unreadable.saturating_add(1);
        let (action, rule) = decide_unreadable(&self.fitting);
        match action {
            Action::Allow => None,
            Action::Mask | Action::Tokenise | Action::Redact => Some(head.to_owned()),
            Action::Ask => {
                self.asked = self.asked.or(rule.map(|rule| Verdict::of(rule, None)));
                None
            }
            Action::Block => {
                self.blocked = self.blocked.or(rule.map(|rule| Verdict::of(rule, None)));
                None
            }
        }
    }

    /// Looks at leaves together and treats each.
    fn plain(
        &mut self,
        flat: &str,
        segments: &[Segment],
        leaves: &[Leaf<'_>],
        new: &mut [Option<String>],
    ) {
        let found = self.find(flat);
        let known = match self.direction {
            Direction::Input => Vec::new(),
            Direction::Output => self.tokens.places(flat),
        };
        let (removed, barred) = self.steering.judge(flat, &mut self.report);
        self.blocked = self.blocked.or(barred);
        if found.is_empty() && known.is_empty() && removed.is_empty() {
            return;
        }
        let counts = count(&found);
        let mut treated: std::collections::BTreeMap<usize, Treatment> =
            std::collections::BTreeMap::new();
        for finding in &found {
            let mut within = overlapping(segments, finding.start, finding.end).peekable();
            if within.peek().is_none() {
                continue; // of punctuation that is ours
            }
            let action = self.judge(finding, counts_of(&counts, finding.kind));
            for segment in within {
                let own = Finding {
                    start: finding.start.max(segment.from) - segment.from,
                    end: finding.end.min(segment.to) - segment.from,
                    ..*finding
                };
                let text = leaves.get(segment.leaf).map_or("", |leaf| &leaf.text);
                self.treat(treated.entry(segment.leaf).or_default(), text, own, action);
            }
        }
        let known = known
            .into_iter()
            .map(|(start, end, token)| (start, end, Replacement::Text(token)));
        for (start, end, instead) in known.chain(removed) {
            for segment in overlapping(segments, start, end) {
                let (from, to) = (start.max(segment.from), end.min(segment.to));
                let (from, to) = (from - segment.from, to - segment.from);
                let text = leaves.get(segment.leaf).map_or("", |leaf| &leaf.text);
                let instead = instead.of(text, from, to);
                let treatment = treated.entry(segment.leaf).or_default();
                treatment.placed.push((from, to, instead));
            }
        }
        for (at, treatment) in treated {
            if let (Some(leaf), Some(slot)) = (leaves.get(at), new.get_mut(at)) {
                let name = leaf.name.and_then(|name| leaves.get(name));
                *slot = self.apply(leaf, name.map(|name| &*name.text), treatment);
            }
        }
    }

    /// Findings that count.
    fn find(&self, text: &str) -> Vec<Finding> {
        let mut found = self.scanner.scan(text);
        found.retain(|finding| finding.confidence >= self.set.settings.confidence);
        found
    }

    /// What the rules do about a finding; notes it.
    fn judge(&mut self, finding: &Finding, count: u32) -> Action {
        let found = self.set.told(finding);
        let (action, rule) = decide(&self.fitting, &found, count);
        self.report
            .note(self.direction, (finding, found.name), action, rule);
        let about = rule.map(|rule| Verdict::of(rule, Some(finding.kind)));
        match action {
            Action::Allow if self.direction == Direction::Output => {
                if let Some(label) = label_of(finding) {
                    self.report.gain(label);
                }
            }
            Action::Ask => self.asked = self.asked.or(about),
            Action::Block => self.blocked = self.blocked.or(about),
            Action::Allow | Action::Mask | Action::Tokenise | Action::Redact => {}
        }
        action
    }

    /// The leaf with that done to it.
    fn apply(&self, leaf: &Leaf<'_>, name: Option<&str>, treatment: Treatment) -> Option<String> {
        let untouched = treatment.masked.is_empty() && treatment.placed.is_empty();
        if untouched && treatment.redacted.is_none() {
            return None;
        }
        if leaf.kind == LeafKind::Number {
            return Some("0".to_owned());
        }
        if let Some(kind) = treatment.redacted {
            return Some(format!("[REDACTED: {}]", kind.as_str()));
        }
        let mut text = replace(&leaf.text, &treatment.masked);
        if !treatment.placed.is_empty() {
            text = put(&text, treatment.placed);
        }
        // What was covered may have hidden something else.
        for _ in 0..ROUNDS_MAX {
            let prefix = name.map(|name| format!("{name}: ")).unwrap_or_default();
            let skip = u32::try_from(prefix.chars().count()).unwrap_or(0);
            let more: Vec<Finding> = self
                .find(&format!("{prefix}{text}"))
                .into_iter()
                .filter(|finding| finding.start >= skip)
                .filter(|finding| !is_of_token(&text, finding, skip))
                .filter(|finding| {
                    let (action, _) = decide(&self.fitting, &self.set.told(finding), 1);
                    matches!(action, Action::Mask | Action::Tokenise | Action::Redact)
                })
                .map(|finding| Finding {
                    start: finding.start - skip,
                    end: finding.end - skip,
                    ..finding
                })
                .collect();
            let next = replace(&text, &more);
            if next == text {
                break;
            }
            text = next;
        }
        Some(text)
    }
}

impl Inspection<'_> {
    /// Notes what is to be done to a part of a leaf.
    fn treat(&mut self, treatment: &mut Treatment, text: &str, finding: Finding, action: Action) {
        match action {
            Action::Mask => treatment.masked.push(finding),
            Action::Tokenise => match self.token(text, &finding) {
                Some(token) => {
                    let place = (finding.start, finding.end, token);
                    treatment.placed.push(place);
                }
                None => treatment.masked.push(finding),
            },
            Action::Redact => treatment.redacted = treatment.redacted.or(Some(finding.kind)),
            // The first says nothing against it, the others let nothing of it pass.
            Action::Allow | Action::Ask | Action::Block => {}
        }
    }

    /// The token of a finding in a text, where there can be one.
    fn token(&mut self, text: &str, finding: &Finding) -> Option<String> {
        let tokeniser = self.tokens.tokeniser.as_ref()?;
        if self.issued.len() >= ISSUED_MAX {
            return None;
        }
        let start = usize::try_from(finding.start).ok()?;
        let length = usize::try_from(finding.end.checked_sub(finding.start)?).ok()?;
        let value: String = text.chars().skip(start).take(length).collect();
        let issued = tokeniser.token(finding.kind, &value)?;
        let token = issued.token.clone();
        self.issued.insert(issued);
        Some(token)
    }
}

/// The segments that a place reaches into.
fn overlapping(segments: &[Segment], start: u32, end: u32) -> impl Iterator<Item = &Segment> {
    let first = segments.partition_point(|segment| segment.to <= start);
    let rest = segments.iter().skip(first);
    rest.take_while(move |segment| segment.from < end)
}

/// What takes the place of a part of an answer.
pub(crate) enum Replacement<'t> {
    /// This text.
    Text(&'t str),
    /// What is to be seen of it.
    Seen,
}

impl Replacement<'_> {
    fn of(&self, text: &str, from: u32, to: u32) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Seen => {
                let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
                let part: String = text
                    .chars()
                    .skip(place(from))
                    .take(place(to - from))
                    .collect();
                crate::poison::hidden::seen(&part)
            }
        }
    }
}

/// The text with that in those places; of what overlaps, the rest is covered.
fn put(text: &str, mut places: Vec<(u32, u32, String)>) -> String {
    places.sort_by_key(|(start, end, _)| (*start, std::cmp::Reverse(*end)));
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    let mut at = 0;
    for (start, end, instead) in places {
        while at < start {
            out.extend(chars.next());
            at += 1;
        }
        if at == start {
            out.push_str(&instead);
        } else if at < end {
            out.push('*');
        }
        while at < end && chars.next().is_some() {
            at += 1;
        }
    }
    out.extend(chars);
    out
}

/// Whether a finding in a text behind a name of `skip` characters is but a part of a token.
fn is_of_token(text: &str, finding: &Finding, skip: u32) -> bool {
    let count = |part: &str| u32::try_from(part.chars().count()).unwrap_or(u32::MAX);
    token::places(text).into_iter().any(|(from, to)| {
        let start = text.get(..from).map_or(0, count);
        let end = text.get(..to).map_or(0, count);
        finding.start >= start + skip && finding.end <= end + skip
    })
}

/// Leaves on their way into one text.
#[derive(Default)]
struct Flat {
    text: String,
    chars: u32,
    segments: Vec<Segment>,
}

impl Flat {
    fn add(&mut self, text: &str, leaf: Option<usize>) {
        let count = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let to = self.chars.saturating_add(count);
        if let Some(leaf) = leaf {
            self.segments.push(Segment {
                from: self.chars,
                to,
                leaf,
            });
        }
        self.text.push_str(text);
        self.chars = to;
    }

    fn end(&mut self) {
        self.text.push_str(BETWEEN);
        self.chars = self.chars.saturating_add(3);
    }
}

/// Which leaves are the content of a file: `blob` or `data` beside a `mimeType`.
fn declared(leaves: &[Leaf<'_>]) -> Vec<bool> {
    let mut files = vec![false; leaves.len()];
    let types = leaves
        .iter()
        .filter(|leaf| leaf.kind == LeafKind::Name && leaf.text == "mimeType")
        .map(|leaf| leaf.parent);
    let types: BTreeSet<usize> = types.collect();
    if types.is_empty() {
        return files;
    }
    for (leaf, file) in leaves.iter().zip(&mut files) {
        let name = leaf.name.and_then(|name| leaves.get(name));
        *file = leaf.kind == LeafKind::Text
            && types.contains(&leaf.parent)
            && name.is_some_and(|name| matches!(&*name.text, "blob" | "data"));
    }
    files
}

/// Whether a string holds a JSON object or array.
fn is_json(text: &str) -> bool {
    let text = text.trim();
    let framed = (text.starts_with('{') && text.ends_with('}'))
        || (text.starts_with('[') && text.ends_with(']'));
    framed && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The label of a conversation that reads it.
fn label_of(finding: &Finding) -> Option<FlowLabel> {
    match finding.kind {
        // A word such as 給与 makes no document confidential.
        Kind::Sensitive => None,
        _ => match finding.class() {
            Class::Public | Class::Internal => None,
            Class::Personal => Some(FlowLabel::PersonalData),
            Class::Confidential | Class::MyNumber | Class::Credential => {
                Some(FlowLabel::Confidential)
            }
        },
    }
}

fn count(found: &[Finding]) -> Vec<(Kind, u32)> {
    let mut counts: Vec<(Kind, u32)> = Vec::new();
    for finding in found {
        match counts.iter_mut().find(|(kind, _)| *kind == finding.kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((finding.kind, 1)),
        }
    }
    counts
}

fn counts_of(counts: &[(Kind, u32)], kind: Kind) -> u32 {
    let found = counts.iter().find(|(known, _)| *known == kind);
    found.map_or(1, |(_, count)| *count)
}
