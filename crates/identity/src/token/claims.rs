//! What a verified token says of its bearer.

use jiff::Timestamp;
use sekimori_domain::caller::{
    Authentication, AuthenticationMethod, Client, Device, Principal, PrincipalKind,
};
use sekimori_domain::ids::{ClientId, GroupName, PrincipalId};
use serde_json::{Map, Value};

use super::TokenError;
use super::config::IssuerConfig;
use crate::revocation;

/// How far clocks may be apart.
pub(crate) const CLOCK_SKEW_SECONDS: i64 = 30;
/// Most groups of one person. A token with more is refused rather than cut: the group left out might be the
/// one that policy forbids something to.
const GROUPS_MAX: usize = 1_000;
/// Most methods and scopes kept of one token.
const LIST_MAX: usize = 64;
const DISPLAY_CHARS_MAX: usize = 200;

type Claims = Map<String, Value>;

/// The time claims, and whether they allow the token now.
pub(crate) fn check_times(claims: &Claims, now: Timestamp) -> Result<Timestamp, TokenError> {
    let expires = seconds(claims, "exp")?.ok_or(TokenError::Claim("exp"))?;
    if has_ended(expires, now) {
        return Err(TokenError::Expired);
    }
    if let Some(not_before) = seconds(claims, "nbf")?
        && not_before.as_second() > now.as_second().saturating_add(CLOCK_SKEW_SECONDS)
    {
        return Err(TokenError::NotYetValid);
    }
    Ok(expires)
}

/// Whether a token that expires then has ended, clocks being what they are.
pub(super) fn has_ended(expires: Timestamp, now: Timestamp) -> bool {
    now.as_second() >= expires.as_second().saturating_add(CLOCK_SKEW_SECONDS)
}

/// When the token was issued (`iat`). Without that nobody could tell whether it was before a revocation; and a
/// token that is older than revocations are kept could have been revoked.
pub(super) fn issued_at(claims: &Claims, now: Timestamp) -> Result<Timestamp, TokenError> {
    let issued_at = seconds(claims, "iat")?.ok_or(TokenError::Claim("iat"))?;
    if is_too_old(issued_at, now) {
        return Err(TokenError::TooOld);
    }
    Ok(issued_at)
}

/// Whether a token that was issued then could have been revoked so long ago that nobody knows any more.
pub(super) fn is_too_old(issued_at: Timestamp, now: Timestamp) -> bool {
    let kept = i64::try_from(revocation::KEPT_FOR.as_secs()).unwrap_or(i64::MAX);
    issued_at.as_second() <= now.as_second().saturating_sub(kept)
}

/// The earliest time that another clock may have meant: theirs may be ahead of ours.
pub(super) fn at_the_earliest(told: Timestamp) -> Timestamp {
    Timestamp::from_second(told.as_second().saturating_sub(CLOCK_SKEW_SECONDS)).unwrap_or(told)
}

/// The one audience. A token for several could be used against us by any of the others.
pub(super) fn audience(claims: &Claims) -> Result<&str, TokenError> {
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(one),
        Some(Value::Array(list)) => match list.as_slice() {
            [Value::String(one)] => Ok(one),
            _ => Err(TokenError::Audience),
        },
        _ => Err(TokenError::Claim("aud")),
    }
}

/// Who it is.
pub(super) fn principal(claims: &Claims, issuer: &IssuerConfig) -> Result<Principal, TokenError> {
    let subject = text(claims, "sub").ok_or(TokenError::Claim("sub"))?;
    let id = match &issuer.principal_prefix {
        Some(prefix) => format!("user:{prefix}/{subject}"),
        None => format!("user:{subject}"),
    };
    let names = &issuer.claims;
    Ok(Principal {
        id: PrincipalId::new(&id).map_err(|_| TokenError::Claim("sub"))?,
        kind: PrincipalKind::User,
        display_name: ["name", "preferred_username", "email"]
            .into_iter()
            .find_map(|claim| text(claims, claim))
            .map_or_else(|| displayable(subject), displayable),
        groups: groups(claims, names.groups.as_deref())?,
        department: told(claims, names.department.as_deref()),
        employment: told(claims, names.employment.as_deref()),
        environments: None,
    })
}

/// Through which client.
pub(super) fn client(claims: &Claims) -> Result<Client, TokenError> {
    let id = ["client_id", "azp", "appid"]
        .into_iter()
        .find_map(|claim| text(claims, claim))
        .ok_or(TokenError::Claim("client_id"))?;
    Ok(Client {
        id: ClientId::new(id).map_err(|_| TokenError::Claim("client_id"))?,
        // A client-id metadata document is at the address that is the id.
        kind: if id.starts_with("https://") {
            "cimd"
        } else {
            "preregistered"
        },
        claimed_name: None,
    })
}

/// On which device, where the issuer tells.
pub(super) fn device(claims: &Claims, issuer: &IssuerConfig) -> Option<Device> {
    let names = &issuer.claims;
    let device = Device {
        managed: truth(claims, names.device_managed.as_deref()),
        compliant: truth(claims, names.device_compliant.as_deref()),
        platform: told(claims, names.device_platform.as_deref()),
    };
    (device != Device::default()).then_some(device)
}

/// How it was proved.
pub(super) fn authentication(
    claims: &Claims,
    issuer: &IssuerConfig,
    expires: Timestamp,
) -> Result<Authentication, TokenError> {
    let acr = text(claims, "acr").map(displayable);
    let amr = list(claims.get("amr"));
    let mfa = amr.iter().any(|method| method == "mfa")
        || acr
            .as_ref()
            .is_some_and(|acr| issuer.claims.mfa_acr.contains(acr));
    Ok(Authentication {
        method: AuthenticationMethod::AccessToken,
        mfa,
        acr,
        amr,
        issuer: issuer.issuer.clone(),
        at: seconds(claims, "auth_time")?,
        issued_at: None,
        grant: None,
        session: text(claims, "sid").map(str::to_owned),
        // Without a scope claim the token reaches nothing; `None` would mean that it knows no limits.
        scopes: Some(list(claims.get("scope").or_else(|| claims.get("scp")))),
        expires_at: Some(expires),
    })
}

/// A NumericDate (RFC 7519): seconds, possibly with a fraction.
pub(crate) fn seconds(
    claims: &Claims,
    claim: &'static str,
) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = claims.get(claim) else {
        return Ok(None);
    };
    let wrong = TokenError::Claim(claim);
    let whole = match value.as_i64() {
        Some(whole) => whole,
        None => whole_seconds(value.as_f64().ok_or(wrong)?).ok_or(wrong)?,
    };
    Timestamp::from_second(whole).map(Some).map_err(|_| wrong)
}

fn whole_seconds(value: f64) -> Option<i64> {
    // Far beyond any date that can be represented, and exact in both types.
    const BOUND: f64 = 1e15;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within the bound the floor is exact"
    )]
    (value.abs() < BOUND).then(|| value.floor() as i64)
}

fn groups(claims: &Claims, name: Option<&str>) -> Result<Vec<GroupName>, TokenError> {
    let Some(name) = name else {
        return Ok(Vec::new());
    };
    let wrong = TokenError::Claim("groups");
    let Some(value) = find(claims, name) else {
        // Some identity providers replace a long list by a reference to where it can be asked for.
        let left_out = claims
            .get("_claim_names")
            .is_some_and(|names| names.get(name).is_some());
        return if left_out {
            Err(TokenError::GroupsLeftOut)
        } else {
            Ok(Vec::new())
        };
    };
    // Some identity providers write a list of one without the brackets.
    let names = match value {
        Value::Array(names) => names.as_slice(),
        one => std::slice::from_ref(one),
    };
    if names.len() > GROUPS_MAX {
        return Err(TokenError::GroupsLeftOut);
    }
    names
        .iter()
        .map(|group| {
            let group = group.as_str().ok_or(wrong)?;
            GroupName::new(group).map_err(|_| wrong)
        })
        .collect()
}

pub(crate) fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    if !name.starts_with('/') {
        return claims.get(name);
    }
    let mut steps = name.split('/').skip(1);
    let unescape = |step: &str| step.replace("~1", "/").replace("~0", "~");
    let first = claims.get(&unescape(steps.next()?))?;
    steps.try_fold(first, |value, step| value.get(unescape(step)))
}

fn told(claims: &Claims, name: Option<&str>) -> Option<String> {
    find(claims, name?)?.as_str().map(displayable)
}

/// A truth value; some identity providers write it as a text.
fn truth(claims: &Claims, name: Option<&str>) -> Option<bool> {
    match find(claims, name?)? {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

pub(crate) fn text<'a>(claims: &'a Claims, claim: &str) -> Option<&'a str> {
    claims
        .get(claim)?
        .as_str()
        .filter(|value| !value.is_empty())
}

/// A list of texts, or one text with spaces between.
pub(crate) fn list(value: Option<&Value>) -> Vec<String> {
    let own = |text: &str| text.to_owned();
    match value {
        Some(Value::String(text)) => text.split_whitespace().take(LIST_MAX).map(own).collect(),
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .take(LIST_MAX)
            .map(own)
            .collect(),
        _ => Vec::new(),
    }
}

pub(crate) fn displayable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(DISPLAY_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::config::ClaimNames;
    use super::*;

    fn claims(value: Value) -> Claims {
        let Value::Object(claims) = value else {
            panic!("not an object");
        };
        claims
    }

    fn issuer() -> IssuerConfig {
        IssuerConfig {
            claims: ClaimNames {
                groups: Some("groups".to_owned()),
                department: Some("/org/department".to_owned()),
                employment: Some("https://claims.example/employment".to_owned()),
                mfa_acr: vec!["urn:mfa".to_owned()],
                device_managed: Some("/device/managed".to_owned()),
                device_compliant: Some("/device/compliant".to_owned()),
                device_platform: Some("/device/os".to_owned()),
            },
            ..IssuerConfig::new("https://idp.example")
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn times_are_compared_with_thirty_seconds_of_skew() {
        let token = claims(json!({"exp": 1_000, "nbf": 500.5}));
        assert_eq!(check_times(&token, at(1_029)), Ok(at(1_000)));
        assert_eq!(check_times(&token, at(1_030)), Err(TokenError::Expired));
        assert_eq!(check_times(&token, at(470)), Ok(at(1_000)));
        assert_eq!(check_times(&token, at(469)), Err(TokenError::NotYetValid));
    }

    #[test]
    fn authn_4_a_token_tells_when_it_was_issued() {
        let now = at(10_000_000);
        let issued = |claim: Value| issued_at(&claims(json!({"iat": claim})), now);
        assert_eq!(issued(json!(9_999_999)), Ok(at(9_999_999)));
        assert_eq!(at_the_earliest(at(1_000)), at(970));
        let month = 31 * 24 * 60 * 60;
        assert_eq!(issued(json!(10_000_000 - month)), Err(TokenError::TooOld));
        assert!(issued(json!(10_000_001 - month)).is_ok());
        assert_eq!(issued(json!("now")), Err(TokenError::Claim("iat")));
        let none = issued_at(&claims(json!({})), now);
        assert_eq!(none, Err(TokenError::Claim("iat")));
    }

    #[test]
    fn authz_3_a_device_is_what_is_told_of_it() {
        let read = |value: Value| device(&claims(json!({"device": value})), &issuer());
        let whole = json!({"managed": true, "compliant": "False", "os": "macOS"});
        let told = Device {
            managed: Some(true),
            compliant: Some(false),
            platform: Some("macOS".to_owned()),
        };
        assert_eq!(read(whole), Some(told));
        let half = read(json!({"compliant": true, "managed": 1})).unwrap();
        assert_eq!((half.managed, half.compliant), (None, Some(true)));
        assert_eq!(read(json!({})), None);
        assert_eq!(device(&claims(json!({})), &issuer()), None);
    }

    #[test]
    fn odd_times_are_no_times() {
        for bad in [
            json!("1000"),
            json!(1e300),
            json!(null),
            json!(i64::MAX),
            json!([1]),
        ] {
            let token = claims(json!({"exp": bad}));
            assert_eq!(check_times(&token, at(0)), Err(TokenError::Claim("exp")));
        }
        let none = claims(json!({}));
        assert_eq!(check_times(&none, at(0)), Err(TokenError::Claim("exp")));
        let bad = claims(json!({"exp": 1_000, "nbf": "soon"}));
        assert_eq!(check_times(&bad, at(0)), Err(TokenError::Claim("nbf")));
    }

    #[test]
    fn an_audience_is_one() {
        assert_eq!(audience(&claims(json!({"aud": "a"}))), Ok("a"));
        assert_eq!(audience(&claims(json!({"aud": ["a"]}))), Ok("a"));
        for bad in [json!(["a", "b"]), json!([]), json!([1])] {
            let token = claims(json!({"aud": bad}));
            assert_eq!(audience(&token), Err(TokenError::Audience));
        }
        assert!(audience(&claims(json!({}))).is_err());
    }

    #[test]
    fn authn_3_the_person_is_read_with_what_conditions_need() {
        let token = claims(json!({
            "sub": "u1", "name": "山田\u{7}花子", "groups": ["sales", "営業"],
            "org": {"department": "CS"}, "https://claims.example/employment": "temporary",
        }));
        let person = principal(&token, &issuer()).unwrap();
        assert_eq!(person.id.as_str(), "user:u1");
        assert_eq!(person.display_name, "山田花子");
        assert_eq!(person.groups.len(), 2);
        assert_eq!(person.department.as_deref(), Some("CS"));
        assert_eq!(person.employment.as_deref(), Some("temporary"));
    }

    #[test]
    fn groups_are_complete_or_the_token_is_refused() {
        let with = |groups: Value| {
            let token = claims(json!({"sub": "u1", "groups": groups}));
            principal(&token, &issuer()).map(|person| person.groups.len())
        };
        assert_eq!(with(json!(["a"])), Ok(1));
        assert_eq!(with(json!("a b")), Ok(1));
        assert_eq!(with(json!(["a", 1])), Err(TokenError::Claim("groups")));
        assert_eq!(with(json!(["a", ""])), Err(TokenError::Claim("groups")));
        assert_eq!(
            with(json!(vec!["a"; 1_001])),
            Err(TokenError::GroupsLeftOut)
        );
        let overage = claims(json!({"sub": "u1", "_claim_names": {"groups": "src1"}}));
        assert_eq!(
            principal(&overage, &issuer()),
            Err(TokenError::GroupsLeftOut)
        );
    }

    #[test]
    fn authn_2_more_than_one_factor_is_told_by_amr_or_a_configured_acr() {
        let mfa = |value: Value| {
            authentication(&claims(value), &issuer(), at(0))
                .unwrap()
                .mfa
        };
        assert!(mfa(json!({"amr": ["pwd", "mfa"]})));
        assert!(mfa(json!({"acr": "urn:mfa"})));
        assert!(!mfa(json!({"amr": ["pwd"], "acr": "1"})));
        assert!(!mfa(json!({"amr": {"mfa": true}})));
    }

    #[test]
    fn scopes_are_never_unlimited() {
        let scopes = |value: Value| {
            authentication(&claims(value), &issuer(), at(0))
                .unwrap()
                .scopes
        };
        assert_eq!(scopes(json!({})), Some(vec![]));
        assert_eq!(scopes(json!({"scope": 7})), Some(vec![]));
        let two = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(scopes(json!({"scope": "a b"})), two);
        assert_eq!(scopes(json!({"scp": ["a", "b"]})), two);
    }
}
