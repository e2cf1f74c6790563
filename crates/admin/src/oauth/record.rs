//! What is recorded of authorizations: before the answer leaves.

use std::net::SocketAddr;

use sekimori_audit::note;
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::oauth::{Grant, OAuthClient};
use sekimori_domain::record::{CallerNote, EventKind, OutcomeNote, OutcomeStatus};
use sekimori_identity::authorization_server::{
    Ending, IssuedTokens, OAuthRefusal, PageFault, Theft,
};
use serde_json::{Value, json};

use crate::control::Control;
use crate::problem::Problem;
use crate::sign_in::Guest;

/// A request of a client.
pub(super) struct At<'a> {
    control: &'a Control,
    correlation: CorrelationId,
    peer: SocketAddr,
}

impl<'a> At<'a> {
    pub(super) fn new(control: &'a Control, correlation: CorrelationId, peer: SocketAddr) -> Self {
        Self {
            control,
            correlation,
            peer,
        }
    }

    async fn write(
        &self,
        event: EventKind,
        caller: Option<CallerNote>,
        detail: &[(&'static str, Value)],
        outcome: OutcomeNote,
    ) -> Result<(), Problem> {
        let record = self
            .control
            .audit
            .open(event, self.correlation.clone(), None)?;
        if let Some(caller) = caller {
            record.caller_note(caller);
        }
        for (name, value) in detail {
            if !value.is_null() {
                record.detail(name, value.clone());
            }
        }
        record.detail("ip", json!(self.peer.ip().to_canonical()));
        record.close(outcome).await?;
        Ok(())
    }
}

fn success() -> OutcomeNote {
    note::ended(OutcomeStatus::Success)
}

fn refusal(code: &str, message: &str) -> OutcomeNote {
    OutcomeNote {
        code: Some(code.to_owned()),
        message: (!message.is_empty()).then(|| message.to_owned()),
        ..note::ended(OutcomeStatus::Refused)
    }
}

/// What is told of a grant.
fn of_grant(grant: &Grant) -> [(&'static str, Value); 5] {
    [
        ("grant", json!(grant.id)),
        ("grant_kind", json!(grant.kind)),
        ("resource", json!(grant.resource)),
        ("scopes", json!(grant.scopes)),
        ("redirect_uri", json!(grant.redirect_uri)),
    ]
}

/// Whoever a grant belongs to, through its client.
fn holder(grant: &Grant, method: &str) -> CallerNote {
    let kind = if grant.subject.as_str().starts_with("service:") {
        "service_account"
    } else {
        "user"
    };
    CallerNote {
        client: grant.client.to_string(),
        client_claimed: None,
        groups: Vec::new(),
        id: grant.subject.to_string(),
        ip: None,
        kind: kind.to_owned(),
        method: method.to_owned(),
        mfa: grant.sign_in.as_ref().is_some_and(|facts| facts.mfa),
        name: grant.subject.to_string(),
        user_agent: None,
    }
}

/// Tokens were issued. A refresh is not recorded each time: the grant keeps when it was used last.
pub(super) async fn issued(at: &At<'_>, issued: &IssuedTokens) -> Result<(), Problem> {
    if issued.grant_type == "refresh_token" {
        return Ok(());
    }
    let mut detail = of_grant(&issued.grant).to_vec();
    detail.push(("grant_type", json!(issued.grant_type)));
    let caller = holder(&issued.grant, issued.grant_type);
    at.write(EventKind::TokenIssue, Some(caller), &detail, success())
        .await
}

/// A person proved a second factor for a grant.
pub(super) async fn stepped_up(
    control: &Control,
    guest: &Guest,
    grant: &Grant,
) -> Result<(), Problem> {
    let caller = CallerNote {
        mfa: true,
        ip: guest.browser.ip,
        ..holder(grant, "browser_session")
    };
    let record = control
        .audit
        .open(EventKind::StepUp, guest.correlation.clone(), None)?;
    record.caller_note(caller);
    for (name, value) in of_grant(grant) {
        if !value.is_null() {
            record.detail(name, value);
        }
    }
    record.close(success()).await?;
    Ok(())
}

/// Tokens were refused. Recorded where the client is known: anybody can send anything.
pub(super) async fn refused(
    at: &At<'_>,
    endpoint: &'static str,
    refused: &OAuthRefusal,
) -> Result<(), Problem> {
    if refused.client.is_none() || refused.is_failure() {
        return Ok(());
    }
    let mut detail = vec![
        ("endpoint", json!(endpoint)),
        ("client", json!(refused.client)),
        ("theft", json!(refused.theft.map(Theft::as_str))),
    ];
    let caller = refused.grant.as_ref().map(|grant| {
        detail.extend(of_grant(grant));
        holder(grant, endpoint)
    });
    if refused.theft.is_some() {
        tracing::warn!(
            alert = true,
            client = refused.client.as_ref().map(tracing::field::display),
            grant = refused.grant.as_ref().map(|grant| grant.id.as_str()),
            "a code or refresh token was presented by somebody it was not given to; its grant was revoked"
        );
    }
    let outcome = refusal(refused.code.as_str(), &refused.description);
    at.write(EventKind::TokenRefuse, caller, &detail, outcome)
        .await
}

/// A client gave its grant back.
pub(super) async fn given_back(at: &At<'_>, grant: &Grant) -> Result<(), Problem> {
    let mut detail = of_grant(grant).to_vec();
    detail.push(("why", json!("by the client")));
    let caller = holder(grant, "revoke");
    at.write(EventKind::GrantRevoke, Some(caller), &detail, success())
        .await
}

/// A client registered itself.
pub(super) async fn registered(at: &At<'_>, client: &OAuthClient) -> Result<(), Problem> {
    let detail = [
        ("action", json!("register")),
        ("client", json!(client.id)),
        ("kind", json!(client.kind)),
        ("name", json!(client.name)),
        ("redirect_uris", json!(client.redirect_uris)),
    ];
    at.write(EventKind::ClientChange, None, &detail, success())
        .await
}

/// An authorization ended with the browser being sent back to the client.
pub(super) async fn ended(
    control: &Control,
    guest: &Guest,
    ending: &Ending,
) -> Result<(), Problem> {
    let (caller, detail, outcome) = match ending {
        Ending::Granted { grant, remembered } => {
            let mut detail = of_grant(grant).to_vec();
            detail.push(("client", json!(grant.client)));
            detail.push(("document", json!(grant.document)));
            detail.push(("remembered", json!(remembered)));
            let caller = CallerNote {
                client: grant.session.clone().unwrap_or_default(),
                ..holder(grant, "browser_session")
            };
            (Some(caller), detail, success())
        }
        Ending::Denied {
            user,
            client,
            resource,
        } => {
            let detail = vec![
                ("user", json!(user)),
                ("client", json!(client)),
                ("resource", json!(resource)),
            ];
            (
                None,
                detail,
                refusal("access_denied", "the person did not consent"),
            )
        }
        Ending::Failed {
            client,
            code,
            description,
        } => {
            let detail = vec![("client", json!(client))];
            (None, detail, refusal(code.as_str(), description))
        }
    };
    write(control, guest, caller, &detail, outcome).await
}

/// An authorization ended with a page. Recorded where somebody is at stake, not for every broken link.
pub(super) async fn stopped(
    control: &Control,
    guest: &Guest,
    fault: &PageFault,
) -> Result<(), Problem> {
    let worth = matches!(
        fault,
        PageFault::ClientDenied | PageFault::OtherBrowser | PageFault::PersonInactive
    );
    if !worth {
        return Ok(());
    }
    write(control, guest, None, &[], refusal(fault.code(), "")).await
}

async fn write(
    control: &Control,
    guest: &Guest,
    caller: Option<CallerNote>,
    detail: &[(&'static str, Value)],
    outcome: OutcomeNote,
) -> Result<(), Problem> {
    let correlation = guest.correlation.clone();
    let record = control.audit.open(EventKind::Consent, correlation, None)?;
    if let Some(mut caller) = caller {
        caller.ip = guest.browser.ip;
        caller.user_agent.clone_from(&guest.browser.user_agent);
        record.caller_note(caller);
    } else {
        record.detail("ip", json!(guest.browser.ip));
    }
    for (name, value) in detail {
        if !value.is_null() {
            record.detail(name, value.clone());
        }
    }
    record.close(outcome).await?;
    Ok(())
}
