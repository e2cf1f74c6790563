//! Which scopes a grant gets.

use crate::scope::{ASSURANCE_MFA, Scope};

/// What a client gets that asks for nothing in particular: reading and ordinary work. Policy still decides
/// every call; `mcp:admin` has to be asked for by name.
const DEFAULT: [&str; 2] = [Scope::Read.as_str(), Scope::Write.as_str()];
/// Longest list of scopes that is read.
const ASKED_BYTES_MAX: usize = 2_048;

/// None of the scopes asked for is known here, or the client may not have any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoScope;

/// The scopes for what was asked, in a fixed order and with those that they include. Unknown ones are left
/// out (RFC 6749 section 3.3), and so are those beyond `bound`, the client's own limit.
pub(super) fn granted(
    asked: Option<&str>,
    bound: Option<&[String]>,
) -> Result<Vec<String>, NoScope> {
    let asked: Vec<&str> = match asked.map(str::trim).filter(|text| !text.is_empty()) {
        None => DEFAULT.to_vec(),
        Some(text) if text.len() > ASKED_BYTES_MAX => return Err(NoScope),
        Some(text) => text.split(' ').filter(|one| !one.is_empty()).collect(),
    };
    let reaches = |scope: Scope, list: &[&str]| {
        Scope::ALL
            .into_iter()
            .any(|other| other >= scope && list.contains(&other.as_str()))
    };
    let bound: Option<Vec<&str>> = bound.map(|list| list.iter().map(String::as_str).collect());
    let mut granted: Vec<String> = Scope::ALL
        .into_iter()
        .filter(|scope| reaches(*scope, &asked))
        .filter(|scope| bound.as_ref().is_none_or(|bound| reaches(*scope, bound)))
        .map(|scope| scope.as_str().to_owned())
        .collect();
    if granted.is_empty() {
        return Err(NoScope);
    }
    if asked.contains(&ASSURANCE_MFA) {
        granted.push(ASSURANCE_MFA.to_owned());
    }
    Ok(granted)
}

/// The scopes for a token of a grant: all of the grant's, or fewer where fewer were asked for.
pub(super) fn narrowed(asked: Option<&str>, grant: &[String]) -> Result<Vec<String>, NoScope> {
    if asked.is_none_or(|text| text.trim().is_empty()) {
        return Ok(grant.to_vec());
    }
    let wanted = granted(asked, Some(grant))?;
    let wanted: Vec<String> = wanted
        .into_iter()
        .filter(|scope| grant.contains(scope))
        .collect();
    if wanted.is_empty() {
        return Err(NoScope);
    }
    Ok(wanted)
}

/// Whether the person must prove a second factor for these.
pub(super) fn want_mfa(scopes: &[String]) -> bool {
    scopes.iter().any(|scope| scope == ASSURANCE_MFA)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn nothing_asked_is_reading_and_writing() {
        assert_eq!(granted(None, None), Ok(texts(&["mcp:read", "mcp:write"])));
        assert_eq!(
            granted(Some("  "), None),
            Ok(texts(&["mcp:read", "mcp:write"]))
        );
    }

    #[test]
    fn authn_7_a_scope_brings_those_that_it_includes() {
        assert_eq!(granted(Some("mcp:read"), None), Ok(texts(&["mcp:read"])));
        let all = texts(&["mcp:read", "mcp:write", "mcp:admin"]);
        assert_eq!(granted(Some("mcp:admin"), None), Ok(all));
        let stepped = texts(&["mcp:read", "mcp:write", "assurance:mfa"]);
        assert_eq!(granted(Some("assurance:mfa mcp:write"), None), Ok(stepped));
    }

    #[test]
    fn unknown_scopes_are_left_out_but_not_alone() {
        assert_eq!(
            granted(Some("openid mcp:read offline_access"), None),
            Ok(texts(&["mcp:read"]))
        );
        assert_eq!(granted(Some("openid"), None), Err(NoScope));
        assert_eq!(granted(Some("assurance:mfa"), None), Err(NoScope));
        assert_eq!(granted(Some(&"mcp:read ".repeat(500)), None), Err(NoScope));
    }

    #[test]
    fn a_client_gets_no_more_than_its_own_limit() {
        let bound = texts(&["mcp:read"]);
        assert_eq!(granted(None, Some(&bound)), Ok(texts(&["mcp:read"])));
        assert_eq!(
            granted(Some("mcp:admin"), Some(&bound)),
            Ok(texts(&["mcp:read"]))
        );
        assert_eq!(granted(Some("mcp:read"), Some(&[])), Err(NoScope));
    }

    #[test]
    fn a_token_never_has_more_than_its_grant() {
        let grant = texts(&["mcp:read", "mcp:write"]);
        assert_eq!(narrowed(None, &grant), Ok(grant.clone()));
        assert_eq!(narrowed(Some("mcp:read"), &grant), Ok(texts(&["mcp:read"])));
        assert_eq!(narrowed(Some("mcp:admin"), &grant), Ok(grant.clone()));
        let widened = narrowed(Some("mcp:read assurance:mfa"), &grant);
        assert_eq!(widened, Ok(texts(&["mcp:read"])));
        assert_eq!(narrowed(Some("other"), &grant), Err(NoScope));
    }
}
