//! The inspection of one JSON text under the rules that fit: what is in it, what is done about it, and the text with
//! exactly that done. Where nothing is to be done the text stays, byte for byte.

use sekimori_domain::inspection::FlowLabel;

use crate::attachment::{self, Attachment};
use crate::finding::{Class, Finding, Kind};
use crate::json::{Leaf, LeafKind, Unreadable, leaves, splice};
use crate::mask::replace;
use crate::report::Report;
use crate::rules::{Action, Direction, Passage, Rule, RuleSet, decide, decide_unreadable};
use crate::scan::Scanner;

/// JSON in strings in JSON, and texts in base64 in them, are opened so many times.
const NESTING_MAX: usize = 4;
/// Rounds until nothing more is found in what was changed.
const ROUNDS_MAX: usize = 4;
/// A longer name of a member is no label.
const LABEL_CHARS_MAX: usize = 64;
/// Shorter numbers tell nothing about anybody.
const NUMBER_CHARS_MIN: usize = 4;
/// Ends a leaf where leaves are looked at together: no label reaches across it.
const BETWEEN: &str = "\n}\n";

/// The inspection of one content in one direction.
pub(crate) struct Inspection<'r> {
    set: &'r RuleSet,
    direction: Direction,
    fitting: Vec<&'r Rule>,
    scanner: Scanner,
    /// What is told to the record.
    pub(crate) report: Report,
    /// The first rule that blocks, with what it blocks.
    pub(crate) blocked: Option<(&'r Rule, Option<Kind>)>,
    /// The first rule that asks for a person, with what it is about.
    pub(crate) asked: Option<(&'r Rule, Option<Kind>)>,
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
    redacted: Option<Kind>,
}

impl<'r> Inspection<'r> {
    /// Under the rules of `set` that fit.
    pub(crate) fn new(set: &'r RuleSet, passage: &Passage, direction: Direction) -> Self {
        let fitting = set.fitting(passage, direction);
        let scanner = if set.seeks_names(&fitting) {
            Scanner::new()
        } else {
            Scanner::without_names()
        }
        .with_terms(&set.terms);
        Self {
            set,
            direction,
            fitting,
            scanner,
            report: Report::new(set.version),
            blocked: None,
            asked: None,
        }
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
        let mut names = std::collections::BTreeSet::new();
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
            Action::Mask | Action::Redact => Some(head.to_owned()),
            Action::Ask => {
                self.asked = self.asked.or(rule.map(|rule| (rule, None)));
                None
            }
            Action::Block => {
                self.blocked = self.blocked.or(rule.map(|rule| (rule, None)));
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
        if found.is_empty() {
            return;
        }
        let counts = count(&found);
        let mut treated: std::collections::BTreeMap<usize, Treatment> =
            std::collections::BTreeMap::new();
        for finding in &found {
            let first = segments.partition_point(|segment| segment.to <= finding.start);
            let mut within = segments
                .iter()
                .skip(first)
                .take_while(|segment| segment.from < finding.end)
                .peekable();
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
                treat(treated.entry(segment.leaf).or_default(), own, action);
            }
        }
        for (at, treatment) in treated {
            if let (Some(leaf), Some(slot)) = (leaves.get(at), new.get_mut(at)) {
                let name = leaf.name.and_then(|name| leaves.get(name));
                *slot = self.apply(leaf, name.map(|name| &*name.text), &treatment);
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
        let (action, rule) = decide(&self.fitting, finding.kind, finding.confidence, count);
        self.report.note(self.direction, finding, action, rule);
        let about = rule.map(|rule| (rule, Some(finding.kind)));
        match action {
            Action::Allow if self.direction == Direction::Output => {
                if let Some(label) = label_of(finding.kind) {
                    self.report.gain(label);
                }
            }
            Action::Ask => self.asked = self.asked.or(about),
            Action::Block => self.blocked = self.blocked.or(about),
            Action::Allow | Action::Mask | Action::Redact => {}
        }
        action
    }

    /// The leaf with that done to it.
    fn apply(&self, leaf: &Leaf<'_>, name: Option<&str>, treatment: &Treatment) -> Option<String> {
        if treatment.masked.is_empty() && treatment.redacted.is_none() {
            return None;
        }
        if leaf.kind == LeafKind::Number {
            return Some("0".to_owned());
        }
        if let Some(kind) = treatment.redacted {
            return Some(format!("[REDACTED: {}]", kind.as_str()));
        }
        let mut text = replace(&leaf.text, &treatment.masked);
        // What was covered may have hidden something else.
        for _ in 0..ROUNDS_MAX {
            let prefix = name.map(|name| format!("{name}: ")).unwrap_or_default();
            let skip = u32::try_from(prefix.chars().count()).unwrap_or(0);
            let more: Vec<Finding> = self
                .find(&format!("{prefix}{text}"))
                .into_iter()
                .filter(|finding| finding.start >= skip)
                .filter(|finding| {
                    let (action, _) = decide(&self.fitting, finding.kind, finding.confidence, 1);
                    matches!(action, Action::Mask | Action::Redact)
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

fn treat(treatment: &mut Treatment, finding: Finding, action: Action) {
    match action {
        Action::Mask => treatment.masked.push(finding),
        Action::Redact => treatment.redacted = treatment.redacted.or(Some(finding.kind)),
        // The first says nothing against it, the others let nothing of it pass.
        Action::Allow | Action::Ask | Action::Block => {}
    }
}

/// Which leaves are the content of a file: `blob` or `data` beside a `mimeType`.
fn declared(leaves: &[Leaf<'_>]) -> Vec<bool> {
    let mut files = vec![false; leaves.len()];
    let types = leaves
        .iter()
        .filter(|leaf| leaf.kind == LeafKind::Name && leaf.text == "mimeType")
        .map(|leaf| leaf.parent);
    let types: std::collections::BTreeSet<usize> = types.collect();
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
fn label_of(kind: Kind) -> Option<FlowLabel> {
    match kind {
        // A word such as 給与 makes no document confidential.
        Kind::Sensitive => None,
        _ => match kind.class() {
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
