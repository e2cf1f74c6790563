//! Reading one value as its rule declares it. A rule that is broken is told by what it allows, never by the
//! value, because the text goes into the record.

use std::collections::BTreeSet;

use jiff::civil;
use jiff::{Timestamp, Unit, Zoned};
use regex::Regex;
use sekimori_domain::constraint::Rule;
use serde_json::{Number, Value};

use super::sql;
use crate::situation::Projections;

/// Most places of a decimal: what fits into 64 bits beside any amount of money.
pub(super) const PLACES_MAX: u8 = 6;
/// Longest text that becomes a projection, in bytes.
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// Most mail addresses in one text.
const ADDRESSES_MAX: usize = 1_000;

/// Values found so far.
#[derive(Debug)]
pub(super) struct Collected {
    many: bool,
    is_empty: bool,
    number: Option<i64>,
    boolean: Option<bool>,
    texts: BTreeSet<String>,
    /// Values are a set even when there is one of them.
    is_set: bool,
    addresses: usize,
    sql: Option<sql::Statement>,
}

impl Collected {
    pub(super) fn new(many: bool) -> Self {
        Self {
            many,
            is_empty: true,
            number: None,
            boolean: None,
            texts: BTreeSet::new(),
            is_set: many,
            addresses: 0,
            sql: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// The values as names of business objects.
    pub(super) fn names(&self) -> impl Iterator<Item = String> + '_ {
        let number = self.number.map(|number| number.to_string());
        self.texts.iter().cloned().chain(number)
    }

    pub(super) fn put(self, name: &str, projections: &mut Projections) {
        if let Some(number) = self.number {
            projections.numbers.insert(name.to_owned(), number);
        } else if let Some(flag) = self.boolean {
            projections.booleans.insert(name.to_owned(), flag);
        } else if let Some(statement) = self.sql {
            let tables = format!("{name}Tables");
            let unbounded = format!("{name}Unbounded");
            projections.strings.insert(name.to_owned(), statement.verb);
            projections.sets.insert(tables, statement.tables);
            projections.booleans.insert(unbounded, statement.unbounded);
        } else if self.is_set {
            projections.sets.insert(name.to_owned(), self.texts);
        } else if let Some(text) = self.texts.into_iter().next() {
            projections.strings.insert(name.to_owned(), text);
        }
    }
}

/// How values are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) rule: &'a Rule,
    pub(super) pattern: Option<&'a Regex>,
    pub(super) now: &'a Zoned,
}

impl Reading<'_> {
    /// Takes one value, or says what would be allowed.
    pub(super) fn take(self, value: &Value, into: &mut Collected) -> Result<(), String> {
        into.is_empty = false;
        match self.rule {
            Rule::Integer { min, max } => {
                let number = whole(value).ok_or("a whole number is needed")?;
                bounded(number, *min, *max, 0)?;
                into.number = Some(number);
            }
            Rule::Decimal { places, min, max } => {
                let number = decimal(value, *places)?;
                bounded(number, *min, *max, *places)?;
                into.number = Some(number);
            }
            Rule::Boolean { only } => {
                let flag = value.as_bool().ok_or("true or false is needed")?;
                if let Some(only) = only.filter(|only| *only != flag) {
                    return Err(format!("only {only} is allowed"));
                }
                into.boolean = Some(flag);
            }
            Rule::Text {
                one_of, chars_max, ..
            } => self.take_text(value, one_of, *chars_max, into)?,
            Rule::Recipients { domains, .. } => take_recipients(value, domains, into)?,
            Rule::Host { hosts } => {
                let host = host_of(text(value)?)?;
                if !hosts.is_empty() && !hosts.iter().any(|one| covers(one, &host)) {
                    return Err(format!("only addresses at {} are allowed", list(hosts)));
                }
                into.texts.insert(host);
            }
            Rule::Path { root } => {
                into.texts.insert(path_below(root, text(value)?)?);
            }
            Rule::Date {
                past_days,
                future_days,
            } => {
                let days = days_from(self.now, text(value)?)?;
                within_days(days, *past_days, *future_days)?;
                into.number = Some(days);
            }
            Rule::Count { max } => {
                let count = match value {
                    Value::Array(items) => items.len(),
                    Value::Object(members) => members.len(),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
                };
                if let Some(max) =
                    max.filter(|max| usize::try_from(*max).is_ok_and(|max| count > max))
                {
                    return Err(format!("at most {max} at once"));
                }
                into.number = Some(i64::try_from(count).unwrap_or(i64::MAX));
            }
            Rule::Sql { verbs, tables } => {
                let statement = sql::read(sql_text(value)?)?;
                if !verbs.is_empty() && !verbs.contains(&statement.verb) {
                    return Err(format!("only the verbs {} are allowed", list(verbs)));
                }
                if !tables.is_empty() && !statement.tables.is_subset(tables) {
                    return Err(format!("only the tables {} are allowed", list(tables)));
                }
                into.sql = Some(statement);
            }
        }
        Ok(())
    }

    fn take_text(
        self,
        value: &Value,
        one_of: &BTreeSet<String>,
        chars_max: Option<u32>,
        into: &mut Collected,
    ) -> Result<(), String> {
        // Ids are numbers as often as texts.
        let text = match value {
            Value::Number(number) => whole_number(number)
                .map(|number| number.to_string())
                .ok_or("a text is needed")?,
            other => text(other)?.to_owned(),
        };
        let too_long = chars_max
            .and_then(|max| usize::try_from(max).ok())
            .is_some_and(|max| text.chars().count() > max);
        if too_long {
            return Err(format!(
                "at most {} characters",
                chars_max.unwrap_or_default()
            ));
        }
        if !one_of.is_empty() && !one_of.contains(&text) {
            return Err(format!("only {} is allowed", list(one_of)));
        }
        if let Some(pattern) = self.pattern.filter(|pattern| !pattern.is_match(&text)) {
            return Err(format!("it must match {pattern}"));
        }
        if !into.many && !into.texts.is_empty() {
            return Err("one value is needed".to_owned());
        }
        into.texts.insert(text);
        Ok(())
    }
}

/// What all values together must fulfil.
pub(super) fn check_whole(rule: &Rule, collected: &Collected) -> Result<(), String> {
    if let Rule::Recipients { max: Some(max), .. } = rule
        && usize::try_from(*max).is_ok_and(|max| collected.addresses > max)
    {
        return Err(format!("at most {max} recipients"));
    }
    Ok(())
}

fn text(value: &Value) -> Result<&str, String> {
    let text = value.as_str().ok_or("a text is needed")?;
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("at most {TEXT_BYTES_MAX} bytes"));
    }
    Ok(text)
}

fn sql_text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "a text is needed".to_owned())
}

fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join(", ")
}

fn whole(value: &Value) -> Option<i64> {
    whole_number(value.as_number()?)
}

/// `3.0` and `3e0` are whole numbers in JSON Schema, so they are here.
fn whole_number(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let text = number.to_string();
        text.strip_suffix(".0")?.parse().ok()
    })
}

/// The number in units of its last place.
fn decimal(value: &Value, places: u8) -> Result<i64, String> {
    let given = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    };
    let wrong = || {
        format!(
            "a number with at most {places} places after the point, without exponent, is needed"
        )
    };
    let (sign, digits) = match given.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, given.as_str()),
    };
    let (before, after) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(before) || !all_digits(after) {
        return Err(wrong());
    }
    let after = after.trim_end_matches('0');
    let places = usize::from(places);
    if after.len() > places {
        return Err(wrong());
    }
    format!("{before}{after:0<places$}")
        .parse::<i64>()
        .map(|number| sign * number)
        .map_err(|_| wrong())
}

fn bounded(number: i64, min: Option<i64>, max: Option<i64>, places: u8) -> Result<(), String> {
    let shown = |bound: i64| {
        let unit = 10_i64.pow(u32::from(places));
        if places == 0 {
            return bound.to_string();
        }
        let places = usize::from(places);
        let sign = if bound < 0 { "-" } else { "" };
        let (whole, rest) = (
            bound.unsigned_abs() / unit.unsigned_abs(),
            bound.unsigned_abs() % unit.unsigned_abs(),
        );
        format!("{sign}{whole}.{rest:0>places$}")
    };
    if let Some(min) = min.filter(|min| number < *min) {
        return Err(format!("at least {}", shown(min)));
    }
    if let Some(max) = max.filter(|max| number > *max) {
        return Err(format!("at most {}", shown(max)));
    }
    Ok(())
}

/// A domain as it stands in a rule: `example.jp` or `*.example.jp`.
pub(super) fn check_domain(text: &str) -> Result<(), String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    if is_domain(name) && name.to_ascii_lowercase() == name {
        return Ok(());
    }
    Err(format!(
        "{text:?} is no domain: write it in lower case, like example.jp or *.example.jp"
    ))
}

/// International names stand in their ASCII form (xn--…): two spellings of one name are one too many.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn covers(allowed: &str, domain: &str) -> bool {
    match allowed.strip_prefix('*') {
        Some(below) => domain.ends_with(below) && domain.len() > below.len(),
        None => allowed == domain,
    }
}

fn take_recipients(
    value: &Value,
    domains: &BTreeSet<String>,
    into: &mut Collected,
) -> Result<(), String> {
    into.is_set = true;
    let texts: Vec<&str> = match value {
        Value::Array(items) => items.iter().map(text).collect::<Result<_, _>>()?,
        other => vec![text(other)?],
    };
    for text in texts {
        for domain in domains_of(text)? {
            if !domains.is_empty() && !domains.iter().any(|one| covers(one, &domain)) {
                return Err(format!("only recipients at {} are allowed", list(domains)));
            }
            into.addresses += 1;
            into.texts.insert(domain);
        }
        if into.addresses > ADDRESSES_MAX {
            return Err(format!("at most {ADDRESSES_MAX} recipients"));
        }
    }
    Ok(())
}

/// The domains of `a@b`, `Name <a@b>`, and lists of them. What mail programs could read in two ways is
/// refused: quotes, comments, groups, routes.
fn domains_of(text: &str) -> Result<Vec<String>, String> {
    let wrong =
        || "plain mail addresses are needed (name@example.jp), separated by commas".to_owned();
    if text
        .chars()
        .any(|char| char.is_control() || "\"()\\:[]".contains(char))
    {
        return Err(wrong());
    }
    let mut domains = Vec::new();
    for entry in text.split([',', ';']).map(str::trim) {
        let address = match entry.split_once('<') {
            Some((name, rest)) if !name.contains(['@', '>']) => {
                rest.strip_suffix('>').ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
            None => entry,
        };
        let (local, domain) = address.split_once('@').ok_or_else(wrong)?;
        let local_fits = !local.is_empty()
            && local
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&'*+-/=?^_`{|}~.".contains(&byte));
        if !local_fits || !is_domain(domain) {
            return Err(wrong());
        }
        domains.push(domain.to_ascii_lowercase());
    }
    Ok(domains)
}

fn host_of(text: &str) -> Result<String, String> {
    let wrong =
        || "an address like https://example.jp/path is needed, without user name".to_owned();
    let odd = |char: char| char.is_control() || char.is_whitespace() || char == '\\';
    if text.chars().any(odd) {
        return Err(wrong());
    }
    let rest = ["https://", "http://"]
        .into_iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .ok_or_else(wrong)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) => return Err(wrong()),
        None => authority,
    };
    if !is_domain(host) {
        return Err(wrong());
    }
    Ok(host.to_ascii_lowercase())
}

/// Whether a rule's root is one.
pub(super) fn check_root(root: &str) -> Result<(), String> {
    let below = root.strip_prefix('/').unwrap_or(root);
    let fits = root == "/" || plain_segments(below).is_some();
    if fits {
        return Ok(());
    }
    Err(
        "write the root like /srv/shared or projects/alpha, without '.', '..' or a '/' at its end"
            .to_owned(),
    )
}

/// The segments of a path that has exactly one reading.
fn plain_segments(path: &str) -> Option<Vec<&str>> {
    let segments: Vec<&str> = path.split('/').collect();
    let plain = segments
        .iter()
        .all(|segment| !matches!(*segment, "" | "." | "..") && !segment.ends_with(['.', ' ']));
    plain.then_some(segments)
}

fn path_below(root: &str, path: &str) -> Result<String, String> {
    let wrong = || format!("only plain paths below {root} are allowed");
    // Encodings that a file tool may undo after us.
    let lower = path.to_ascii_lowercase();
    let encoded = ["%2e", "%2f", "%5c", "%00", "%25"];
    if path.chars().any(|char| char.is_control() || char == '\\')
        || encoded.iter().any(|sequence| lower.contains(sequence))
        || path.starts_with('~')
    {
        return Err(wrong());
    }
    let trimmed = path
        .strip_suffix('/')
        .filter(|rest| !rest.is_empty())
        .unwrap_or(path);
    if trimmed == root {
        return Ok(trimmed.to_owned());
    }
    let (root, given) = match (root.strip_prefix('/'), trimmed.strip_prefix('/')) {
        (Some(root), Some(given)) => (root, given),
        (None, None) => (root, trimmed),
        _ => return Err(wrong()),
    };
    let given = plain_segments(given).ok_or_else(wrong)?;
    let root: Vec<&str> = root
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    if given.len() > root.len() && given.starts_with(&root) {
        return Ok(trimmed.to_owned());
    }
    Err(wrong())
}

/// How many days a date is from today. A moment counts by its date here.
fn days_from(now: &Zoned, text: &str) -> Result<i64, String> {
    let wrong =
        || "a date like 2026-01-31, or a moment like 2026-01-31T09:00:00Z, is needed".to_owned();
    let date: civil::Date = match text.len() {
        10 => text.parse().map_err(|_| wrong())?,
        _ => match text.parse::<Timestamp>() {
            Ok(moment) => moment.to_zoned(now.time_zone().clone()).date(),
            Err(_) => text.parse::<civil::DateTime>().map_err(|_| wrong())?.date(),
        },
    };
    let span = now.date().until((Unit::Day, date)).map_err(|_| wrong())?;
    Ok(i64::from(span.get_days()))
}

fn within_days(days: i64, past: Option<u32>, future: Option<u32>) -> Result<(), String> {
    if let Some(past) = past.filter(|past| days < -i64::from(*past)) {
        return Err(format!("at most {past} days in the past"));
    }
    if let Some(future) = future.filter(|future| days > i64::from(*future)) {
        return Err(format!("at most {future} days in the future"));
    }
    Ok(())
}
