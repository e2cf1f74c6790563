//! Who asks, whether they may, and the record of what they did.
//!
//! A handler takes [`Allowed<R>`] as its first argument: it does not run for anybody who lacks the right `R`.
//! What changes something goes through [`Allowed::begin`] and [`Deed::end`], which leave the two halves of an
//! audit record around it (AUDIT-3).

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use http::Method;
use http::header::{HeaderName, ORIGIN, USER_AGENT};
use http::request::Parts;
use jiff::Timestamp;
use sekimori_audit::{OpenRecord, note};
use sekimori_domain::caller::{Caller, PrincipalKind, Source};
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::record::{EventKind, OutcomeNote, OutcomeStatus};
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::Decision;
use sekimori_identity::Credentials;
use sekimori_identity::sign_in::SignedIn;
use sekimori_policy::{ADMINISTRATION_VERSION, AdminAction, Area};
use serde_json::Value;

use crate::control::Control;
use crate::problem::Problem;
use crate::sign_in::Guest;

/// Carries the token of the session, which another site cannot know.
const CSRF_HEADER: HeaderName = HeaderName::from_static("x-sekimori-csrf");
/// Where the browser says what made it send the request.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Longest `User-Agent` that is kept.
const USER_AGENT_CHARS_MAX: usize = 256;
/// Longest path that is kept in the record of a request that was turned back.
const PATH_CHARS_MAX: usize = 200;

/// Something that one may be allowed to do to a part of the gate.
pub(crate) trait Right: Send + Sync + 'static {
    /// What.
    const ACTION: AdminAction;
    /// To what.
    const AREA: Area;
}

/// Declares the rights to view and to manage an area.
macro_rules! rights {
    ($($view:ident, $manage:ident: $area:ident;)*) => {
        $(
            #[doc = concat!("To look at ", stringify!($area), ".")]
            #[derive(Debug, Clone, Copy)]
            #[allow(dead_code, reason = "the table is whole, also where nothing asks yet")]
            pub(crate) struct $view;
            impl Right for $view {
                const ACTION: AdminAction = AdminAction::View;
                const AREA: Area = Area::$area;
            }
            #[doc = concat!("To change ", stringify!($area), ".")]
            #[derive(Debug, Clone, Copy)]
            #[allow(dead_code, reason = "the table is whole, also where nothing asks yet")]
            pub(crate) struct $manage;
            impl Right for $manage {
                const ACTION: AdminAction = AdminAction::Manage;
                const AREA: Area = Area::$area;
            }
        )*
    };
}

rights! {
    ViewPeople, ManagePeople: People;
    ViewSessions, ManageSessions: Sessions;
    ViewGrants, ManageGrants: Grants;
    ViewClients, ManageClients: Clients;
    ViewServiceAccounts, ManageServiceAccounts: ServiceAccounts;
    ViewScimTokens, ManageScimTokens: ScimTokens;
    ViewIdentityProviders, ManageIdentityProviders: IdentityProviders;
    ViewIdentitySources, ManageIdentitySources: IdentitySources;
    ViewApprovals, ManageApprovals: Approvals;
    ViewInspection, ManageInspection: Inspection;
    ViewGuardRails, ManageGuardRails: GuardRails;
    ViewCatalog, ManageCatalog: Catalog;
    ViewPolicies, ManagePolicies: Policies;
    ViewAudit, ManageAudit: Audit;
    ViewKillSwitches, ManageKillSwitches: KillSwitches;
    ViewLimits, ManageLimits: Limits;
    ViewRetention, ManageRetention: Retention;
    ViewSettings, ManageSettings: Settings;
}

/// Somebody who proved who they are.
#[derive(Debug, Clone)]
pub(crate) struct Someone {
    /// Who.
    pub(crate) caller: Arc<Caller>,
    /// What to send back with changes, for browsers.
    pub(crate) csrf_token: Option<String>,
    /// When they last proved a second factor in the session of a browser.
    pub(crate) mfa_at: Option<Timestamp>,
    correlation: CorrelationId,
}

/// Somebody who has the right `R`.
#[derive(Debug)]
pub(crate) struct Allowed<R> {
    /// Who.
    pub(crate) someone: Someone,
    decision: Decision,
    right: PhantomData<R>,
}

impl FromRequestParts<Arc<Control>> for Someone {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<Self, Problem> {
        let correlation = parts
            .extensions
            .get::<CorrelationId>()
            .cloned()
            .unwrap_or_else(|| CorrelationId::from_uuid(control.ids.next()));
        match identify(parts, control).await {
            Ok(Known {
                caller,
                csrf_token,
                mfa_at,
            }) => Ok(Self {
                caller,
                csrf_token,
                mfa_at,
                correlation,
            }),
            Err(Unknown::NothingOffered(refusal)) => Err(refusal.into()),
            Err(Unknown::Failed(problem)) => Err(problem),
            Err(Unknown::OtherSite(caller, refusal)) => {
                let refused = EventKind::RequestRefused;
                let caller = Some(&*caller);
                turn_back(parts, control, refused, correlation, caller, &refusal).await
            }
            Err(Unknown::NotAccepted(refusal)) => {
                let failure = EventKind::AuthenticationFailure;
                turn_back(parts, control, failure, correlation, None, &refusal).await
            }
        }
    }
}

impl<R: Right> FromRequestParts<Arc<Control>> for Allowed<R> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<Self, Problem> {
        let someone = Someone::from_request_parts(parts, control).await?;
        match someone.with_right(control) {
            Ok(allowed) => Ok(allowed),
            Err(refusal) => {
                let refused = EventKind::RequestRefused;
                let correlation = someone.correlation.clone();
                let caller = Some(&*someone.caller);
                turn_back(parts, control, refused, correlation, caller, &refusal).await
            }
        }
    }
}

/// Who was let in.
struct Known {
    caller: Arc<Caller>,
    csrf_token: Option<String>,
    mfa_at: Option<Timestamp>,
}

/// Why nobody is let in.
enum Unknown {
    /// The request offers no proof at all. Nothing failed, so nothing is recorded.
    NothingOffered(Refusal),
    /// What it offers is not accepted.
    NotAccepted(Refusal),
    /// A page of another site made the browser send it, or may have.
    OtherSite(Arc<Caller>, Refusal),
    /// We failed.
    Failed(Problem),
}

/// Who sends the request: by a bearer credential, or by the session of a browser.
async fn identify(parts: &Parts, control: &Control) -> Result<Known, Unknown> {
    let credentials = Credentials::from_request(&parts.headers, parts.uri.query())
        .map_err(Unknown::NotAccepted)?;
    let resource = control.settings.public_url.api();
    let offered = matches!(credentials, Credentials::Bearer(_));
    if !offered && let Some(found) = by_session(parts, control).await? {
        return Ok(found);
    }
    let caller = control
        .identity
        .authenticate(&credentials, source(parts), &resource)
        .await
        .map_err(|refusal| {
            if offered {
                Unknown::NotAccepted(refusal)
            } else {
                Unknown::NothingOffered(refusal)
            }
        })?;
    if caller.principal.kind == PrincipalKind::Anonymous {
        let why = "authentication is needed here, whatever the mode of the gate";
        return Err(Unknown::NothingOffered(unauthenticated(why)));
    }
    Ok(Known {
        caller,
        csrf_token: None,
        mfa_at: None,
    })
}

/// Who is signed in in the browser that sends the request, if one does, with the token of its session.
async fn by_session(parts: &Parts, control: &Control) -> Result<Option<Known>, Unknown> {
    let guest = Guest::of(parts, control).map_err(Unknown::Failed)?;
    let signed_in = guest.signed_in(control).await.map_err(Unknown::Failed)?;
    let Some(signed_in) = signed_in else {
        return Ok(None);
    };
    let caller = control
        .identity
        .signed_in(&signed_in, source(parts))
        .await
        .map_err(Unknown::NotAccepted)?;
    match check_own_page(parts, control, &signed_in) {
        Ok(()) => Ok(Some(Known {
            caller,
            csrf_token: Some(signed_in.form_token),
            mfa_at: signed_in.mfa_at,
        })),
        Err(refusal) => Err(Unknown::OtherSite(caller, refusal)),
    }
}

/// A browser sends its cookies along with whatever any page makes it send. Only the gate's own pages may use
/// them here, and what changes something must carry what only they can know.
fn check_own_page(parts: &Parts, control: &Control, signed_in: &SignedIn) -> Result<(), Refusal> {
    let text = |name| {
        let value = parts.headers.get(name)?;
        Some(value.to_str().unwrap_or("not ASCII"))
    };
    let own_site = text(FETCH_SITE).is_none_or(|site| matches!(site, "same-origin" | "none"));
    let own_origin = text(ORIGIN).is_none_or(|from| from == control.settings.public_url.as_str());
    if !own_site || !own_origin {
        return Err(refused(
            "a page of another site may not use the session of the browser",
        ));
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if reads || text(CSRF_HEADER).is_some_and(|token| signed_in.owns_form(token)) {
        return Ok(());
    }
    Err(refused(
        "a change by a browser's session needs the header X-Sekimori-CSRF with the csrf_token of /api/v1/me",
    ))
}

fn refused(why: &str) -> Refusal {
    Refusal::new(RefusalCode::PolicyDenied, Stage::Authenticate, why)
}

/// Where the request came from.
pub(crate) fn source(parts: &Parts) -> Source {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let user_agent = parts
        .headers
        .get(USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .map(|text| text.chars().take(USER_AGENT_CHARS_MAX).collect());
    Source {
        ip: peer.map(|ConnectInfo(address)| address.ip().to_canonical()),
        user_agent,
        certificate: None,
    }
}

fn unauthenticated(why: &str) -> Refusal {
    Refusal::new(RefusalCode::Unauthenticated, Stage::Authenticate, why)
}

/// Records that a request was turned back, and says why.
async fn turn_back<T>(
    parts: &Parts,
    control: &Control,
    event: EventKind,
    correlation: CorrelationId,
    caller: Option<&Caller>,
    refusal: &Refusal,
) -> Result<T, Problem> {
    let record = control.audit.open(event, correlation, None)?;
    let path: String = parts.uri.path().chars().take(PATH_CHARS_MAX).collect();
    record.detail("endpoint", format!("{} {path}", parts.method));
    if let Some(caller) = caller {
        record.caller(caller);
        let version = ADMINISTRATION_VERSION;
        record.decision(note::denied(refusal.policies.clone(), version));
    } else if let Some(ip) = source(parts).ip {
        record.detail("ip", ip.to_string());
    }
    record.close(note::refused(refusal)).await?;
    Err(refusal.clone().into())
}

impl<R: Right> Allowed<R> {
    /// Records that something was looked at whose very looking is an event. Not durable, not shown.
    pub(crate) async fn looked(
        &self,
        control: &Control,
        event: EventKind,
        details: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<(), Problem> {
        let correlation = self.someone.correlation.clone();
        let record = control.audit.open(event, correlation, None)?;
        record.caller(&self.someone.caller);
        record.decision(note::allowed(&self.decision));
        for (name, value) in details {
            record.detail(name, value);
        }
        record.close(note::ended(OutcomeStatus::Success)).await?;
        Ok(())
    }

    /// Begins to change something. Nothing may be changed before this returns, or after an error.
    pub(crate) async fn begin(
        &self,
        control: &Control,
        event: EventKind,
        details: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Deed, Problem> {
        let decision = Some(&self.decision);
        self.someone
            .begin_as(control, event, decision, details)
            .await
    }
}

impl Someone {
    /// Ties what they do to its records.
    pub(crate) fn correlation(&self) -> CorrelationId {
        self.correlation.clone()
    }

    /// Whoever is signed in in a browser that shows a page of ours.
    pub(crate) async fn in_browser(
        control: &Control,
        guest: &Guest,
        signed_in: &SignedIn,
    ) -> Result<Self, Problem> {
        let agent = guest.browser.user_agent.as_deref().unwrap_or_default();
        let agent: String = agent.chars().take(USER_AGENT_CHARS_MAX).collect();
        let source = Source {
            ip: guest.browser.ip,
            user_agent: (!agent.is_empty()).then_some(agent),
            certificate: None,
        };
        let caller = control.identity.signed_in(signed_in, source).await?;
        Ok(Self {
            caller,
            csrf_token: None,
            mfa_at: signed_in.mfa_at,
            correlation: guest.correlation.clone(),
        })
    }

    /// The same with the right `R`, if they have it.
    pub(crate) fn with_right<R: Right>(&self, control: &Control) -> Result<Allowed<R>, Refusal> {
        let administration = &control.administration;
        let decision = administration.authorize(&self.caller, R::ACTION, R::AREA)?;
        Ok(Allowed {
            someone: self.clone(),
            decision,
            right: PhantomData,
        })
    }

    /// As [`Allowed::begin`], for what everybody may try: whether they may depends on what it is done to.
    pub(crate) async fn begin(
        &self,
        control: &Control,
        event: EventKind,
        details: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Deed, Problem> {
        self.begin_as(control, event, None, details).await
    }

    /// Records something that is done by being recorded.
    pub(crate) async fn note(
        &self,
        control: &Control,
        event: EventKind,
        details: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<(), Problem> {
        let record = self.open(control, event, details)?;
        record.close(note::ended(OutcomeStatus::Success)).await?;
        Ok(())
    }

    async fn begin_as(
        &self,
        control: &Control,
        event: EventKind,
        decision: Option<&Decision>,
        details: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<Deed, Problem> {
        let record = self.open(control, event, details)?;
        if let Some(decision) = decision {
            record.decision(note::allowed(decision));
        }
        record.intent().await?;
        Ok(Deed(record))
    }

    fn open(
        &self,
        control: &Control,
        event: EventKind,
        details: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<OpenRecord, Problem> {
        let record = control.audit.open(event, self.correlation.clone(), None)?;
        record.caller(&self.caller);
        for (name, value) in details {
            record.detail(name, value);
        }
        Ok(record)
    }
}

/// A change under way, whose intent is durable.
#[derive(Debug)]
#[must_use = "a deed that is not ended is recorded as unknown"]
pub(crate) struct Deed(OpenRecord);

impl Deed {
    /// Notes something that became known meanwhile. Never a secret.
    pub(crate) fn detail(&self, name: &'static str, value: impl Into<Value>) {
        self.0.detail(name, value);
    }

    /// Records how it ended. What is not recorded is not answered.
    pub(crate) async fn end<T, E: Into<Problem>>(self, done: Result<T, E>) -> Result<T, Problem> {
        let done = done.map_err(Into::into);
        let outcome = match &done {
            Ok(_) => note::ended(OutcomeStatus::Success),
            Err(problem) => OutcomeNote {
                code: Some(problem.code.to_owned()),
                message: Some(problem.detail.clone().into_owned()),
                ..note::ended(if problem.status.is_server_error() {
                    OutcomeStatus::Error
                } else {
                    OutcomeStatus::Refused
                })
            },
        };
        self.0.close(outcome).await?;
        done
    }
}
