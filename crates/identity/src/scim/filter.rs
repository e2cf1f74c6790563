//! Filters and attribute paths: the grammar of RFC 7644 figure 1, and nothing beyond it.

use std::fmt;

use serde_json::{Number, Value};

use super::error::{ScimError, cut};

/// Longest filter or path, in bytes.
const BYTES_MAX: usize = 8 * 1024;
/// Deepest nesting of brackets.
const DEPTH_MAX: usize = 16;
/// Most comparisons of one filter.
const TERMS_MAX: usize = 200;

/// A filter as parsed. Whether its attributes exist is checked later.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// An attribute compared with a value.
    Compare(AttributePath, Operator, Literal),
    /// An attribute that has a value.
    Present(AttributePath),
    /// An attribute one of whose values matches: `emails[type eq "work"]`.
    Values(AttributePath, Box<Filter>),
    /// Not that.
    Not(Box<Filter>),
    /// All of these: two at least.
    And(Vec<Filter>),
    /// One of these: two at least.
    Or(Vec<Filter>),
}

/// The name of an attribute: `urn:…:User:name.givenName`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributePath {
    /// The schema, where given.
    pub urn: Option<String>,
    /// The attribute.
    pub name: String,
    /// Its part, where given.
    pub part: Option<String>,
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater than or equal to.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal to.
    Le,
}

/// A value in a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
}

/// What a PATCH operation points at: `name.givenName`, `members[value eq "x"]`,
/// `emails[type eq "work"].value`.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchPath {
    /// The attribute, and its part.
    pub attribute: AttributePath,
    /// Which of its values.
    pub filter: Option<Filter>,
}

impl Filter {
    /// Parses a filter.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        let mut parser = Parser::new(text)?;
        let filter = parser.or(0, true)?;
        parser.spaces();
        parser.end()?;
        Ok(filter)
    }
}

impl PatchPath {
    /// Parses the path of a PATCH operation.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        let as_path = |error: ScimError| ScimError::path(error.detail);
        let mut parser = Parser::new(text).map_err(as_path)?;
        let mut attribute = parser.attribute().map_err(as_path)?;
        let mut filter = None;
        if parser.take('[') {
            if attribute.part.is_some() {
                return Err(ScimError::path("the part stands behind the filter"));
            }
            filter = Some(parser.values().map_err(as_path)?);
            if parser.take('.') {
                attribute.part = Some(parser.name().map_err(as_path)?);
            }
        }
        parser.end().map_err(as_path)?;
        Ok(Self { attribute, filter })
    }
}

impl AttributePath {
    /// Parses the name of an attribute.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        let mut parser = Parser::new(text)?;
        let path = parser.attribute()?;
        parser.end()?;
        Ok(path)
    }
}

/// What is still to be read.
struct Parser<'t> {
    rest: &'t str,
    terms: usize,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, ScimError> {
        if text.len() > BYTES_MAX {
            return Err(ScimError::filter("it is too long"));
        }
        Ok(Self {
            rest: text.trim_matches(' '),
            terms: 0,
        })
    }

    fn expected(&self, what: &str) -> ScimError {
        let found = cut(self.rest);
        if found.is_empty() {
            return ScimError::filter(format!("it ends where {what} is expected"));
        }
        ScimError::filter(format!("{what} is expected at: {found}"))
    }

    fn end(&self) -> Result<(), ScimError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.expected("the end"))
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes spaces; whether there were any.
    fn spaces(&mut self) -> bool {
        let rest = self.rest.trim_start_matches(' ');
        let some = rest.len() < self.rest.len();
        self.rest = rest;
        some
    }

    /// Takes the longest text of such characters.
    fn take_while(&mut self, good: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|character| !good(character));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Takes a word between spaces or brackets if it is the wanted one.
    fn word(&mut self, wanted: &str) -> bool {
        let before = self.rest;
        if self
            .take_while(|c| c.is_ascii_alphabetic())
            .eq_ignore_ascii_case(wanted)
            && self.rest.starts_with([' ', '('])
        {
            return true;
        }
        self.rest = before;
        false
    }

    /// `a or b or c`. `whole` is false inside `[…]`, which does not nest.
    fn or(&mut self, depth: usize, whole: bool) -> Result<Filter, ScimError> {
        self.chain("or", Filter::Or, |parser| parser.and(depth, whole))
    }

    fn and(&mut self, depth: usize, whole: bool) -> Result<Filter, ScimError> {
        self.chain("and", Filter::And, |parser| parser.one(depth, whole))
    }

    fn chain(
        &mut self,
        word: &str,
        join: fn(Vec<Filter>) -> Filter,
        mut next: impl FnMut(&mut Self) -> Result<Filter, ScimError>,
    ) -> Result<Filter, ScimError> {
        let first = next(self)?;
        let mut all = Vec::new();
        loop {
            let before = self.rest;
            if !(self.spaces() && self.word(word)) {
                self.rest = before;
                break;
            }
            if !self.spaces() && !self.rest.starts_with('(') {
                return Err(self.expected("a space"));
            }
            all.push(next(self)?);
        }
        if all.is_empty() {
            return Ok(first);
        }
        all.insert(0, first);
        Ok(join(all))
    }

    fn one(&mut self, depth: usize, whole: bool) -> Result<Filter, ScimError> {
        if depth > DEPTH_MAX {
            return Err(ScimError::filter("it is nested too deeply"));
        }
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(ScimError::filter("it has too many terms"));
        }
        if self.rest.starts_with('(') {
            return self.group(depth, whole);
        }
        if self.word("not") {
            self.spaces();
            return Ok(Filter::Not(Box::new(self.group(depth, whole)?)));
        }
        let path = self.attribute()?;
        if whole && self.take('[') {
            return Ok(Filter::Values(path, Box::new(self.values()?)));
        }
        self.comparison(path)
    }

    fn group(&mut self, depth: usize, whole: bool) -> Result<Filter, ScimError> {
        if !self.take('(') {
            return Err(self.expected("'('"));
        }
        self.spaces();
        let inner = self.or(depth + 1, whole)?;
        self.spaces();
        if !self.take(')') {
            return Err(self.expected("')'"));
        }
        Ok(inner)
    }

    /// The inside of `[…]` and its end.
    fn values(&mut self) -> Result<Filter, ScimError> {
        self.spaces();
        let inner = self.or(0, false)?;
        self.spaces();
        if !self.take(']') {
            return Err(self.expected("']'"));
        }
        Ok(inner)
    }

    fn comparison(&mut self, path: AttributePath) -> Result<Filter, ScimError> {
        if !self.spaces() {
            return Err(self.expected("a space"));
        }
        let word = self.take_while(|c| c.is_ascii_alphabetic());
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let operator = Operator::ALL
            .into_iter()
            .find(|operator| operator.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| ScimError::filter(format!("{:?} is no operator", cut(word))))?;
        if !self.spaces() {
            return Err(self.expected("a space"));
        }
        Ok(Filter::Compare(path, operator, self.literal()?))
    }

    fn literal(&mut self) -> Result<Literal, ScimError> {
        if self.rest.starts_with('"') {
            return self.text().map(Literal::Text);
        }
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        match word {
            "null" => return Ok(Literal::Null),
            "true" => return Ok(Literal::Bool(true)),
            "false" => return Ok(Literal::Bool(false)),
            _ => {}
        }
        // Entra and others spell it as Python does.
        if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") {
            return Ok(Literal::Bool(word.eq_ignore_ascii_case("true")));
        }
        match serde_json::from_str(word) {
            Ok(Value::Number(number)) => Ok(Literal::Number(number)),
            _ => Err(ScimError::filter(format!(
                "{:?} is no value: put a text into double quotes",
                cut(word)
            ))),
        }
    }

    /// A text in the form of JSON.
    fn text(&mut self) -> Result<String, ScimError> {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, character)| {
            let ends = *character == '"' && !escaped;
            escaped = *character == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else {
            return Err(ScimError::filter("a text has no end"));
        };
        let (quoted, rest) = self.rest.split_at(end + 1);
        self.rest = rest;
        serde_json::from_str(quoted)
            .map_err(|_| ScimError::filter(format!("this is no text: {}", cut(quoted))))
    }

    /// An attribute with schema and part, such as `urn:…:2.0:User:name.givenName`.
    fn attribute(&mut self) -> Result<AttributePath, ScimError> {
        let before = self.rest;
        let token = self.take_while(|c| c.is_ascii_alphanumeric() || ":._-$".contains(c));
        let (urn, name) = match token.rsplit_once(':') {
            Some((urn, name)) => (Some(urn), name),
            None => (None, token),
        };
        let is_urn = |urn: &str| {
            urn.len() > 4
                && urn
                    .get(..4)
                    .is_some_and(|start| start.eq_ignore_ascii_case("urn:"))
        };
        let (name, part) = match name.split_once('.') {
            Some((name, part)) => (name, Some(part)),
            None => (name, None),
        };
        if !urn.is_none_or(is_urn) || !is_name(name) || !part.is_none_or(is_name) {
            self.rest = before;
            return Err(self.expected("the name of an attribute"));
        }
        Ok(AttributePath {
            urn: urn.map(str::to_owned),
            name: name.to_owned(),
            part: part.map(str::to_owned),
        })
    }

    fn name(&mut self) -> Result<String, ScimError> {
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || "_-$".contains(c));
        if is_name(name) {
            return Ok(name.to_owned());
        }
        Err(self.expected("the name of an attribute"))
    }
}

/// `ALPHA *("-" / "_" / DIGIT / ALPHA)`, and `$ref`.
fn is_name(text: &str) -> bool {
    let text = text.strip_prefix('$').unwrap_or(text);
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

impl Operator {
    const ALL: [Self; 9] = [
        Self::Eq,
        Self::Ne,
        Self::Co,
        Self::Sw,
        Self::Ew,
        Self::Gt,
        Self::Ge,
        Self::Lt,
        Self::Le,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, all: &[Self], word: &str| {
            for (index, one) in all.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                match one {
                    Self::And(_) | Self::Or(_) => write!(f, "({one})")?,
                    one => write!(f, "{one}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Compare(path, operator, literal) => {
                write!(f, "{path} {} {literal}", operator.as_str())
            }
            Self::Present(path) => write!(f, "{path} pr"),
            Self::Values(path, inner) => write!(f, "{path}[{inner}]"),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::And(all) => list(f, all, "and"),
            Self::Or(all) => list(f, all, "or"),
        }
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            write!(f, "{urn}:")?;
        }
        f.write_str(&self.name)?;
        if let Some(part) = &self.part {
            write!(f, ".{part}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{}", Value::from(text.as_str())),
        }
    }
}

/// Parses any text as filter and as path; whether what was understood reads back the same. For the fuzzer.
#[doc(hidden)]
pub fn fuzz_filter(text: &str) -> bool {
    let filter = Filter::parse(text)
        .is_ok_and(|filter| Filter::parse(&filter.to_string()).as_ref() != Ok(&filter));
    let path = PatchPath::parse(text).is_ok_and(|path| {
        let mut again = path.attribute.to_string();
        if let Some(filter) = &path.filter {
            let attribute = AttributePath {
                part: None,
                ..path.attribute.clone()
            };
            let part = path.attribute.part.as_ref();
            let part = part.map(|part| format!(".{part}")).unwrap_or_default();
            again = format!("{attribute}[{filter}]{part}");
        }
        PatchPath::parse(&again).as_ref() != Ok(&path)
    });
    !filter && !path
}
