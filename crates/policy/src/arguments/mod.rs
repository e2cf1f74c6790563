//! Argument projections: the declared parts of a call's arguments as typed values, checked on the way
//! (TOOL-2). Whatever can't be read as declared is refused, because a value that policies can't see must
//! not pass by them.

mod schema;
mod sql;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeSet;

use jiff::Zoned;
use regex::{Regex, RegexBuilder};
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::constraint::{
    COMPARED_MAX, Constraints, CurrentRead, ModeArgument, PROJECTIONS_MAX, Projection, Rule,
};
use serde_json::Value;

use crate::situation::Projections;

use schema::check_against;
pub use schema::suggest_tags;

/// Longest name of a projection.
const NAME_CHARS_MAX: usize = 40;
/// Most pointers of one projection, and most segments of one pointer.
const POINTERS_MAX: usize = 16;
/// Most values that one projection collects: more in one call is refused.
const VALUES_MAX: usize = 1_000;
/// Most modes of a mode argument.
const MODES_MAX: usize = 100;
/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 64 * 1024;

/// Why declared constraints were not accepted: where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {why}")]
pub struct ConstraintError {
    /// The projection, or `mode`.
    pub at: String,
    /// What is wrong, and how to mend it.
    pub why: String,
}

impl ConstraintError {
    fn new(at: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            at: at.into(),
            why: why.into(),
        }
    }
}

/// A call breaks a rule. It never tells the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("argument {pointer} breaks the rule {name} of this tool: {rule}")]
pub struct Violation {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// The projection whose rule it is.
    pub name: String,
    /// What is allowed.
    pub rule: String,
}

/// What a call's arguments tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// For policies.
    pub projections: Projections,
    /// The business objects touched, for the record.
    pub resources: BTreeSet<String>,
}

/// Constraints made ready for calls.
#[derive(Debug)]
pub struct CompiledConstraints {
    projections: Vec<CompiledProjection>,
    mode: Option<(Pointer, ModeArgument)>,
}

#[derive(Debug)]
struct CompiledProjection {
    declared: Projection,
    pointers: Vec<Pointer>,
    pattern: Option<Regex>,
    /// Whether it may find several values.
    many: bool,
}

impl CompiledConstraints {
    /// Checks what was declared by itself; [`check_against`] compares it with a tool's schema.
    pub fn compile(declared: &Constraints) -> Result<Self, ConstraintError> {
        if declared.projections.len() > PROJECTIONS_MAX {
            let why = format!("more than {PROJECTIONS_MAX} projections");
            return Err(ConstraintError::new("projection", why));
        }
        let mut names = BTreeSet::new();
        let mut projections = Vec::new();
        for projection in &declared.projections {
            for name in tag_names(projection) {
                if !names.insert(name.clone()) {
                    let why = "the name is used twice; give every projection its own";
                    return Err(ConstraintError::new(name, why));
                }
            }
            projections.push(CompiledProjection::compile(projection)?);
        }
        let mode = declared.mode.as_ref().map(compile_mode).transpose()?;
        if let Some(current) = &declared.current {
            check_current(current)?;
        }
        Ok(Self { projections, mode })
    }

    /// Reads the arguments. `now` is the company's local time, for rules on dates.
    pub fn project(&self, arguments: &Value, now: &Zoned) -> Result<Told, Violation> {
        let mut told = Told::default();
        for projection in &self.projections {
            projection.read(arguments, now, &mut told)?;
        }
        Ok(told)
    }

    /// The operation class of a call of a tool whose most harmless class is `reviewed`.
    pub fn class(&self, arguments: &Value, reviewed: OperationClass) -> OperationClass {
        let Some((pointer, mode)) = &self.mode else {
            return reviewed;
        };
        let mut found = Vec::new();
        let class = match pointer.find(arguments, &mut found) {
            Ok(()) => match found.as_slice() {
                [] => mode.absent,
                [value] => mode_name(value).and_then(|name| mode.classes.get(&name).copied()),
                _ => None,
            },
            Err(TooMany) => None,
        };
        // What nobody listed may do anything.
        class.unwrap_or(OperationClass::Admin)
    }
}

/// The name of a mode, for texts, whole numbers and truth values.
fn mode_name(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => number.as_i64().map(|number| number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn compile_mode(mode: &ModeArgument) -> Result<(Pointer, ModeArgument), ConstraintError> {
    let wrong = |why: &str| ConstraintError::new("mode", why);
    let pointer = Pointer::parse(&mode.pointer).map_err(|why| wrong(&why))?;
    if pointer.is_many() {
        return Err(wrong(
            "the pointer of a mode must name one place, without '*'",
        ));
    }
    if mode.classes.is_empty() || mode.classes.len() > MODES_MAX {
        return Err(wrong("list 1 to 100 values with their operation class"));
    }
    Ok((pointer, mode.clone()))
}

/// Whether what is declared about reading the present state can be used.
fn check_current(current: &CurrentRead) -> Result<(), ConstraintError> {
    let wrong = |why: String| ConstraintError::new("current", why);
    let CurrentRead {
        tool,
        arguments,
        compare,
    } = current;
    if tool.is_empty() {
        return Err(wrong("name the reading tool".to_owned()));
    }
    if arguments.len() > COMPARED_MAX || compare.len() > COMPARED_MAX {
        return Err(wrong(format!("more than {COMPARED_MAX} places")));
    }
    for pointer in arguments
        .values()
        .chain(compare.keys())
        .chain(compare.values())
    {
        let parsed = Pointer::parse(pointer).map_err(&wrong)?;
        if parsed.is_many() {
            return Err(wrong(format!("{pointer} must name one place, without '*'")));
        }
    }
    Ok(())
}

/// The most harmless class that a mode argument can mean: what the tool is reviewed as.
fn mildest_class(mode: &ModeArgument) -> Option<OperationClass> {
    mode.classes.values().copied().chain(mode.absent).min()
}

/// Checks what is declared with the review of a tool: by itself, against the tool's definition, and that the
/// class given is that of its most harmless mode, because lists show a tool by its class.
pub fn check_review(
    class: OperationClass,
    declared: &Constraints,
    definition: &Value,
) -> Result<(), ConstraintError> {
    CompiledConstraints::compile(declared)?;
    check_against(declared, definition)?;
    match declared.mode.as_ref().and_then(mildest_class) {
        Some(mildest) if mildest != class => {
            let why = format!(
                "its most harmless mode is {mildest}, so classify the tool as {mildest}, not {class}"
            );
            Err(ConstraintError::new("mode", why))
        }
        _ => Ok(()),
    }
}

/// The tags that a projection sets.
fn tag_names(projection: &Projection) -> Vec<String> {
    let name = &projection.name;
    match projection.rule {
        Rule::Sql { .. } => vec![
            name.clone(),
            format!("{name}Tables"),
            format!("{name}Unbounded"),
        ],
        _ => vec![name.clone()],
    }
}

impl CompiledProjection {
    fn compile(declared: &Projection) -> Result<Self, ConstraintError> {
        let wrong = |why: String| ConstraintError::new(declared.name.clone(), why);
        let name_fits = declared.name.len() <= NAME_CHARS_MAX
            && declared
                .name
                .starts_with(|first: char| first.is_ascii_lowercase())
            && declared
                .name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !name_fits {
            let why = "use 1 to 40 letters, digits and '_' as name, beginning with a small letter";
            return Err(wrong(why.to_owned()));
        }
        if declared.pointers.is_empty() || declared.pointers.len() > POINTERS_MAX {
            return Err(wrong(format!("give 1 to {POINTERS_MAX} pointers")));
        }
        let pointers: Vec<Pointer> = declared
            .pointers
            .iter()
            .map(|pointer| Pointer::parse(pointer))
            .collect::<Result<_, _>>()
            .map_err(&wrong)?;
        let many = pointers.len() > 1 || pointers.iter().any(Pointer::is_many);
        if many && !holds_many(&declared.rule) {
            let why = "this kind holds one value: give one pointer without '*'";
            return Err(wrong(why.to_owned()));
        }
        let pattern = match &declared.rule {
            Rule::Text {
                pattern: Some(pattern),
                ..
            } => Some(compile_pattern(pattern).map_err(&wrong)?),
            _ => None,
        };
        check_rule(&declared.rule).map_err(&wrong)?;
        Ok(Self {
            declared: declared.clone(),
            pointers,
            pattern,
            many,
        })
    }

    fn violation(&self, pointer: &Pointer, rule: impl Into<String>) -> Violation {
        Violation {
            pointer: pointer.text.clone(),
            name: self.declared.name.clone(),
            rule: rule.into(),
        }
    }

    fn read(&self, arguments: &Value, now: &Zoned, told: &mut Told) -> Result<(), Violation> {
        let mut collected = value::Collected::new(
            self.many || matches!(self.declared.rule, Rule::Recipients { .. }),
        );
        for pointer in &self.pointers {
            let mut found = Vec::new();
            pointer.find(arguments, &mut found).map_err(|TooMany| {
                self.violation(pointer, format!("at most {VALUES_MAX} values"))
            })?;
            for value in found {
                let read = value::Reading {
                    rule: &self.declared.rule,
                    pattern: self.pattern.as_ref(),
                    now,
                };
                read.take(value, &mut collected)
                    .map_err(|rule| self.violation(pointer, rule))?;
            }
        }
        if let (Some(first), true) = (self.pointers.first(), collected.is_empty()) {
            if self.declared.required {
                return Err(self.violation(first, "it must be given"));
            }
            if matches!(self.declared.rule, Rule::Recipients { .. }) {
                // Nobody is named, so nobody gets anything: that is known.
                collected.put(&self.declared.name, &mut told.projections);
            }
            return Ok(());
        }
        if let Some(first) = self.pointers.first() {
            value::check_whole(&self.declared.rule, &collected)
                .map_err(|rule| self.violation(first, rule))?;
        }
        if self.declared.resource {
            told.resources.extend(collected.names());
        }
        collected.put(&self.declared.name, &mut told.projections);
        Ok(())
    }
}

/// Whether several values make sense together.
fn holds_many(rule: &Rule) -> bool {
    match rule {
        Rule::Text { .. } | Rule::Recipients { .. } => true,
        Rule::Integer { .. }
        | Rule::Decimal { .. }
        | Rule::Boolean { .. }
        | Rule::Host { .. }
        | Rule::Path { .. }
        | Rule::Date { .. }
        | Rule::Count { .. }
        | Rule::Sql { .. } => false,
    }
}

fn compile_pattern(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| format!("the pattern can't be used: {error}"))
}

/// What a rule must fulfil by itself.
fn check_rule(rule: &Rule) -> Result<(), String> {
    let bounds = |min: Option<i64>, max: Option<i64>| match (min, max) {
        (Some(min), Some(max)) if min > max => Err("min is above max".to_owned()),
        _ => Ok(()),
    };
    match rule {
        Rule::Integer { min, max } => bounds(*min, *max),
        Rule::Decimal { places, min, max } => {
            if *places > value::PLACES_MAX {
                return Err(format!("use at most {} places", value::PLACES_MAX));
            }
            bounds(*min, *max)
        }
        Rule::Recipients { domains, .. } => {
            domains.iter().try_for_each(|one| value::check_domain(one))
        }
        Rule::Host { hosts } => hosts.iter().try_for_each(|one| value::check_domain(one)),
        Rule::Path { root } => value::check_root(root),
        Rule::Sql { verbs, tables } => {
            if verbs
                .iter()
                .chain(tables)
                .any(|name| name.to_lowercase() != *name)
            {
                return Err("write verbs and tables in lower case".to_owned());
            }
            Ok(())
        }
        Rule::Boolean { .. } | Rule::Text { .. } | Rule::Date { .. } | Rule::Count { .. } => Ok(()),
    }
}

/// A JSON pointer whose segment `*` stands for every item or member.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pointer {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Name(String),
    Every,
}

/// More values than a call may bring.
#[derive(Debug)]
struct TooMany;

impl Pointer {
    fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no JSON pointer: write it like /to or /items/*/id");
        let rest = text.strip_prefix('/').ok_or_else(bad)?;
        let segments: Vec<Segment> = rest
            .split('/')
            .map(|segment| match segment {
                "*" => Segment::Every,
                name => Segment::Name(name.replace("~1", "/").replace("~0", "~")),
            })
            .collect();
        if segments.len() > POINTERS_MAX {
            return Err(format!("a pointer has at most {POINTERS_MAX} segments"));
        }
        Ok(Self {
            text: text.to_owned(),
            segments,
        })
    }

    fn is_many(&self) -> bool {
        self.segments.contains(&Segment::Every)
    }

    /// The values there. `null` counts as absent.
    fn find<'a>(&self, arguments: &'a Value, found: &mut Vec<&'a Value>) -> Result<(), TooMany> {
        let mut open = vec![arguments];
        for segment in &self.segments {
            let mut next = Vec::new();
            for value in open {
                match (segment, value) {
                    (Segment::Name(name), Value::Object(members)) => next.extend(members.get(name)),
                    (Segment::Name(name), Value::Array(items)) => {
                        let index = name.parse::<usize>().ok();
                        next.extend(index.and_then(|index| items.get(index)));
                    }
                    (Segment::Every, Value::Array(items)) => next.extend(items),
                    (Segment::Every, Value::Object(members)) => next.extend(members.values()),
                    // A list of one is often written as the item alone: it must not slip past.
                    (Segment::Every, scalar) => next.push(scalar),
                    (Segment::Name(_), _) => {}
                }
                if next.len() > VALUES_MAX {
                    return Err(TooMany);
                }
            }
            open = next;
        }
        found.extend(open.into_iter().filter(|value| !value.is_null()));
        Ok(())
    }
}
