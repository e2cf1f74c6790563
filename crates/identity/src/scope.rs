//! How far a credential reaches: the coarse bound before policy.

use sekimori_domain::caller::Caller;
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::refusal::{Need, Refusal, RefusalCode, Stage};

use crate::resource::PublicUrl;

pub use sekimori_domain::scope::{Scope, required_scope};

/// The scope with which a client asks that its user proves a second factor (AUTHZ-6). It is no permission.
pub const ASSURANCE_MFA: &str = "assurance:mfa";

/// Turns the refusal of a call that a second factor would let pass into one that says how to prove it, where
/// the gate can ask for it: its own authorization server gave the client its grant. Otherwise it says what is
/// missing.
pub fn ask_for_second_factor(
    refusal: Refusal,
    caller: &Caller,
    class: OperationClass,
    gate: &PublicUrl,
) -> Refusal {
    let Some(grant) = &caller.authentication.grant else {
        let message = format!(
            "{}; it would be allowed after signing in with a second factor",
            refusal.message
        );
        return Refusal { message, ..refusal };
    };
    let page = format!("{gate}/step-up?grant={grant}");
    let message = format!(
        "this needs a second factor: authorize again with the scope {ASSURANCE_MFA}, or have the person prove \
         it at {page} and call again"
    );
    let scope = required_scope(class);
    Refusal {
        code: RefusalCode::InsufficientScope,
        message,
        ..refusal
    }
    .needing(Need::SecondFactor { scope, page })
}

/// Whether the caller's credential reaches far enough for an operation of this class. Credentials that
/// know no scopes are not limited here; an access token without a scope reaches nothing.
pub fn check_scope(caller: &Caller, class: OperationClass) -> Result<(), Refusal> {
    let Some(held) = &caller.authentication.scopes else {
        return Ok(());
    };
    let needed = required_scope(class);
    let enough = Scope::ALL
        .into_iter()
        .filter(|scope| *scope >= needed)
        .any(|scope| held.iter().any(|name| name == scope.as_str()));
    if enough {
        return Ok(());
    }
    let message =
        format!("the access token lacks the scope {needed}, which {class} operations need");
    Err(
        Refusal::new(RefusalCode::InsufficientScope, Stage::Authorize, message)
            .needing(Need::Scope(needed)),
    )
}
