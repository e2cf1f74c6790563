//! What is recorded of people signing in: written before the browser gets its answer.

use sekimori_audit::note;
use sekimori_domain::person::User;
use sekimori_domain::record::{CallerNote, EventKind, OutcomeNote, OutcomeStatus};
use sekimori_domain::revocation::{Subject, SubjectKind};
use sekimori_identity::sign_in::{Browser, Done, Reason, SignInFailure, SignedIn};
use serde_json::{Value, json};

use super::guest::Guest;
use crate::control::Control;
use crate::problem::Problem;

/// Somebody was signed in, or proved more than before.
pub(super) async fn signed_in(
    control: &Control,
    guest: &Guest,
    done: &Done,
) -> Result<(), Problem> {
    let opened = &done.opened;
    let detail = [
        ("idp", json!(opened.signed_in.idp)),
        ("amr", json!(opened.signed_in.amr)),
        ("acr", json!(opened.signed_in.acr)),
        ("new_device", json!(opened.new_device)),
        ("device", json!(opened.signed_in.device)),
        ("ended_session", json!(opened.ended)),
    ];
    let caller = caller(&guest.browser, &opened.signed_in, Some(&done.user));
    write(
        control,
        guest,
        EventKind::SignIn,
        Some(caller),
        &detail,
        success(),
    )
    .await
}

/// Nobody was signed in.
pub(super) async fn failed(
    control: &Control,
    guest: &Guest,
    failure: &SignInFailure,
) -> Result<(), Problem> {
    refused(control, guest, EventKind::SignIn, failure).await
}

/// Something of that kind was refused.
pub(super) async fn refused(
    control: &Control,
    guest: &Guest,
    event: EventKind,
    failure: &SignInFailure,
) -> Result<(), Problem> {
    let status = match failure.reason {
        Reason::Internal | Reason::ProviderUnavailable => OutcomeStatus::Error,
        _ => OutcomeStatus::Refused,
    };
    let outcome = OutcomeNote {
        code: Some(failure.reason.code().to_owned()),
        message: Some(failure.reason.to_string()),
        ..note::ended(status)
    };
    let detail = [
        ("idp", json!(failure.provider)),
        ("subject", json!(failure.subject)),
        ("user", json!(failure.user)),
        ("ip", json!(guest.browser.ip)),
        ("user_agent", json!(guest.browser.user_agent)),
    ];
    write(control, guest, event, None, &detail, outcome).await
}

/// Somebody who is signed in did something.
pub(super) async fn did(
    control: &Control,
    guest: &Guest,
    who: &SignedIn,
    event: EventKind,
    detail: &[(&'static str, Value)],
) -> Result<(), Problem> {
    let caller = caller(&guest.browser, who, None);
    write(control, guest, event, Some(caller), detail, success()).await
}

/// Ends a session or grant with everything that hangs by it: tokens, running calls and streams on every node.
pub(super) async fn end_access(
    control: &Control,
    kind: SubjectKind,
    id: &str,
) -> Result<(), Problem> {
    let (store, clock) = (&*control.store, &*control.clock);
    let subject = Subject::new(kind, id);
    let ended = sekimori_identity::end_access(store, &control.revocations, clock, &subject).await;
    ended.map_err(|error| Problem::failure("ending access", &error))?;
    Ok(())
}

/// A provider did something.
pub(super) async fn provider_did(
    control: &Control,
    guest: &Guest,
    event: EventKind,
    detail: &[(&'static str, Value)],
) -> Result<(), Problem> {
    write(control, guest, event, None, detail, success()).await
}

fn success() -> OutcomeNote {
    note::ended(OutcomeStatus::Success)
}

async fn write(
    control: &Control,
    guest: &Guest,
    event: EventKind,
    caller: Option<CallerNote>,
    detail: &[(&'static str, Value)],
    outcome: OutcomeNote,
) -> Result<(), Problem> {
    let record = control.audit.open(event, guest.correlation.clone(), None)?;
    if let Some(caller) = caller {
        record.caller_note(caller);
    }
    for (name, value) in detail {
        if !value.is_null() {
            record.detail(name, value.clone());
        }
    }
    record.close(outcome).await?;
    Ok(())
}

fn caller(browser: &Browser, who: &SignedIn, user: Option<&User>) -> CallerNote {
    let name = user.map_or_else(|| who.user.to_string(), |user| user.display_name.clone());
    CallerNote {
        client: who.session.to_string(),
        client_claimed: None,
        groups: Vec::new(),
        id: who.user.to_string(),
        ip: browser.ip,
        kind: "user".to_owned(),
        method: "browser_session".to_owned(),
        mfa: who.mfa,
        name,
        user_agent: browser
            .user_agent
            .as_ref()
            .map(|text| text.chars().take(256).collect()),
    }
}
