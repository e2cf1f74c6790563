//! The parameters of a request to the authorization server.

/// Most parameters that are looked at.
const PARAMS_MAX: usize = 64;
/// Longest value that is looked at: room for an assertion.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// A parameter is there twice, or is too large to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {0} is there twice or too long")]
pub struct BadParam(pub &'static str);

/// Parameters as they were sent: pairs of name and value, decoded.
#[derive(Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl std::fmt::Debug for Params {
    /// Values may be secrets; names are not shown either, because a client may mix them up.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Params")
            .field("count", &self.0.len())
            .finish()
    }
}

impl Params {
    /// Takes pairs; those beyond any sensible number are left out.
    pub fn new(mut pairs: Vec<(String, String)>) -> Self {
        pairs.truncate(PARAMS_MAX);
        Self(pairs)
    }

    /// The value of a parameter that may be there once. Empty is absent (RFC 6749 section 3.1).
    pub(super) fn one(&self, name: &'static str) -> Result<Option<&str>, BadParam> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() || first.is_some_and(|value| value.len() > VALUE_BYTES_MAX) {
            return Err(BadParam(name));
        }
        Ok(first)
    }

    /// The values of a parameter that may be there several times (`resource`, RFC 8707).
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// Whether any of `names` is there.
    pub fn has_any(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(key, _)| names.contains(&key.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_there_once_or_refused() {
        let pairs = [
            ("a", "1"),
            ("b", ""),
            ("c", "1"),
            ("c", "2"),
            ("d", "1"),
            ("d", ""),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let params = Params::new(pairs.to_vec());
        assert_eq!(params.one("a"), Ok(Some("1")));
        assert_eq!(params.one("b"), Ok(None));
        assert_eq!(params.one("c"), Err(BadParam("c")));
        assert_eq!(params.one("d"), Ok(Some("1")));
        assert_eq!(params.one("x"), Ok(None));
        assert!(params.has_any(&["x", "b"]) && !params.has_any(&["x"]));
        let long = Params::new(vec![("a".to_owned(), "x".repeat(20_000))]);
        assert_eq!(long.one("a"), Err(BadParam("a")));
        assert!(!format!("{params:?}").contains('1'));
    }
}
