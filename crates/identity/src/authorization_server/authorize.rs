//! `/authorize`: from a client's request, by way of a person, back to the client.
//!
//! Client and redirect URI come first: until both are known to belong together nothing is sent anywhere, and
//! what is wrong is shown as a page. What a client may be told afterwards is sent back to it, unless nobody
//! vouches for the client: then it is a page too, so that the gate is no open redirector.
//!
//! An authorization under way is bound to the browser that began it, and the consent to the session to
//! which it was shown. The client is remembered as it was described, so that it can't change in between.

use jiff::{SignedDuration, Timestamp};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::oauth::{
    AuthorizationCode, ClientKind, ClientStatus, Consent, Grant, GrantKind, OAuthClient,
    SignInFacts,
};
use sekimori_store::{PendingAuthorization, StoreError};
use serde::{Deserialize, Serialize};

use super::clients::NoClient;
use super::error::{OAuthErrorCode, OAuthRefusal, invalid_request};
use super::keys::later;
use super::outcome::{ConsentView, Decision, Ending, Outcome, PageFault, Redirection};
use super::params::Params;
use super::{AuthorizationServer, redirect, scopes};
use crate::secret::new_secret;
use crate::sign_in::SignedIn;

/// How long a person may take.
const PENDING_KEPT: SignedDuration = SignedDuration::from_mins(10);
/// Most authorizations under way: anybody may begin one.
const PENDING_MAX: u64 = 50_000;
/// How long a code lives.
const CODE_LIFE: SignedDuration = SignedDuration::from_secs(60);
/// Longest state.
const STATE_BYTES_MAX: usize = 2_048;
/// Length of a SHA-256 digest in base64url.
const CHALLENGE_CHARS: usize = 43;

/// An authorization under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Transaction {
    /// The client as it was described when it came.
    client: OAuthClient,
    redirect_uri: String,
    state: Option<String>,
    challenge: String,
    resource: String,
    connector: Option<ConnectorName>,
    scopes: Vec<String>,
    /// What only the browser that began it can prove.
    browser: Digest,
    /// The session that was asked for consent.
    session: Option<String>,
    /// Whether a second factor was asked for already.
    asked_mfa: bool,
}

/// An early end of the way.
enum Stop {
    Page(PageFault),
    /// Known to the client, if it is one to be sent back to.
    Refusal(Box<Transaction>, OAuthRefusal),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "an authorization could not be kept"
        );
        Self::Page(PageFault::Unavailable)
    }
}

impl AuthorizationServer {
    /// A client's request. `browser` is what only this browser can prove; `direct` says that no other page
    /// led here (`Sec-Fetch-Site: none`).
    pub async fn authorize(
        &self,
        params: &Params,
        browser: Digest,
        signed_in: Option<&SignedIn>,
        direct: bool,
    ) -> Outcome {
        let begun = match self.begin(params, browser).await {
            Ok(begun) => begun,
            Err(stop) => return self.stopped(stop),
        };
        let (txn, transaction) = begun;
        self.proceed(txn, transaction, signed_in, direct).await
    }

    /// The person comes back from signing in.
    pub async fn resume(
        &self,
        txn: &str,
        browser: Digest,
        signed_in: Option<&SignedIn>,
    ) -> Outcome {
        match self.find(txn, browser).await {
            Ok(transaction) => {
                self.proceed(txn.to_owned(), transaction, signed_in, false)
                    .await
            }
            Err(stop) => self.stopped(stop),
        }
    }

    /// The person answered the consent page. That the form was this browser's is checked before.
    pub async fn decide(
        &self,
        txn: &str,
        browser: Digest,
        signed_in: Option<&SignedIn>,
        decision: Decision,
    ) -> Outcome {
        let transaction = match self.find(txn, browser).await {
            Ok(transaction) => transaction,
            Err(stop) => return self.stopped(stop),
        };
        let asked = signed_in
            .filter(|signed_in| transaction.session.as_deref() == Some(signed_in.session.as_str()));
        // Another session than the one that was asked, or one that no longer is strong enough: ask (again).
        let Some(signed_in) = asked.filter(|one| self.is_strong_enough(&transaction, one)) else {
            return self
                .proceed(txn.to_owned(), transaction, signed_in, false)
                .await;
        };
        match self.decided(txn, transaction, signed_in, decision).await {
            Ok(redirection) => Outcome::Redirect(Box::new(redirection)),
            Err(stop) => self.stopped(stop),
        }
    }

    /// Checks a request and keeps it.
    async fn begin(&self, params: &Params, browser: Digest) -> Result<(String, Transaction), Stop> {
        let malformed = |_| Stop::Page(PageFault::Malformed);
        let id = params
            .one("client_id")
            .map_err(malformed)?
            .ok_or(Stop::Page(PageFault::Malformed))?;
        let redirect_uri = params.one("redirect_uri").map_err(malformed)?;
        let client = self.client_to_authorize(id).await.map_err(no_client)?;
        let redirect_uri = redirect_of(&client, redirect_uri)
            .ok_or(Stop::Page(PageFault::RedirectMismatch))?
            .to_owned();
        let mut transaction = Transaction {
            client,
            redirect_uri,
            state: None,
            challenge: String::new(),
            resource: String::new(),
            connector: None,
            scopes: Vec::new(),
            browser,
            session: None,
            asked_mfa: false,
        };
        if let Err(refusal) = self.fill(&mut transaction, params).await {
            return Err(Stop::Refusal(Box::new(transaction), refusal));
        }
        let txn = new_secret(&*self.random).map_err(|_| Stop::Page(PageFault::Unavailable))?;
        let pending = self.pending(&txn, &transaction)?;
        if !self
            .oauth
            .begin_authorization(&pending, PENDING_MAX)
            .await?
        {
            return Err(Stop::Page(PageFault::Busy));
        }
        Ok((txn.to_string(), transaction))
    }

    /// Everything but client and redirect URI.
    async fn fill(
        &self,
        transaction: &mut Transaction,
        params: &Params,
    ) -> Result<(), OAuthRefusal> {
        let state = params.one("state")?;
        if state.is_some_and(|state| state.len() > STATE_BYTES_MAX) {
            return Err(invalid_request("the state is too long"));
        }
        transaction.state = state.map(str::to_owned);
        let refuse = |code, description| Err(OAuthRefusal::new(code, description));
        if params.has_any(&["request"]) {
            let code = OAuthErrorCode::RequestNotSupported;
            return refuse(code, "request objects are not taken");
        }
        if params.has_any(&["request_uri"]) {
            let code = OAuthErrorCode::RequestUriNotSupported;
            return refuse(code, "request objects are not taken");
        }
        if params.one("response_type")? != Some("code") {
            let code = OAuthErrorCode::UnsupportedResponseType;
            return refuse(code, "response_type must be code");
        }
        if !matches!(params.one("response_mode")?, None | Some("query")) {
            return Err(invalid_request("response_mode must be query"));
        }
        transaction.challenge = challenge(params)?;
        let (resource, connector) = self.resource(params).await?;
        transaction.resource = resource;
        transaction.connector = connector;
        let bound = transaction.client.scopes.as_deref();
        transaction.scopes = scopes::granted(params.one("scope")?, bound).map_err(|_| {
            OAuthRefusal::new(
                OAuthErrorCode::InvalidScope,
                "none of the scopes is known here, or the client may not have them",
            )
        })?;
        Ok(())
    }

    /// The one resource that is asked for, if it is ours.
    async fn resource(
        &self,
        params: &Params,
    ) -> Result<(String, Option<ConnectorName>), OAuthRefusal> {
        let mut named = params.values("resource");
        let (Some(resource), None) = (named.next(), named.next()) else {
            return Err(OAuthRefusal::new(
                OAuthErrorCode::InvalidTarget,
                "name exactly one resource: the address of the MCP server",
            ));
        };
        let connector = self.published_resource(resource).await?;
        Ok((resource.to_owned(), connector))
    }

    fn pending(&self, txn: &str, transaction: &Transaction) -> Result<PendingAuthorization, Stop> {
        Ok(PendingAuthorization {
            id: Digest::of(txn.as_bytes()),
            document: serde_json::to_string(transaction)
                .map_err(|_| Stop::Page(PageFault::Unavailable))?,
            expires_at: later(self.clock.now(), PENDING_KEPT),
        })
    }

    /// The authorization under way, if it is this browser's.
    async fn find(&self, txn: &str, browser: Digest) -> Result<Transaction, Stop> {
        let id = Digest::of(txn.as_bytes());
        let pending = self.oauth.authorization(&id).await?;
        let now = self.clock.now();
        let pending = pending
            .filter(|pending| now < pending.expires_at)
            .ok_or(Stop::Page(PageFault::Expired))?;
        let transaction: Transaction = serde_json::from_str(&pending.document)
            .map_err(|_| Stop::Page(PageFault::Unavailable))?;
        if transaction.browser != browser {
            return Err(Stop::Page(PageFault::OtherBrowser));
        }
        Ok(transaction)
    }

    /// As far as it goes with who is signed in.
    async fn proceed(
        &self,
        txn: String,
        transaction: Transaction,
        signed_in: Option<&SignedIn>,
        direct: bool,
    ) -> Outcome {
        match self.step(txn, transaction, signed_in, direct).await {
            Ok(outcome) => outcome,
            Err(stop) => self.stopped(stop),
        }
    }

    async fn step(
        &self,
        txn: String,
        mut transaction: Transaction,
        signed_in: Option<&SignedIn>,
        direct: bool,
    ) -> Result<Outcome, Stop> {
        let wants_mfa = scopes::want_mfa(&transaction.scopes);
        let Some(signed_in) = signed_in else {
            if wants_mfa {
                self.note_asked_mfa(&txn, &mut transaction).await?;
            }
            return Ok(Outcome::SignIn {
                txn,
                mfa: wants_mfa,
            });
        };
        let person = self.people.user(&signed_in.user).await?;
        let Some(person) = person.filter(|person| person.active) else {
            return Err(Stop::Page(PageFault::PersonInactive));
        };
        if !self.is_strong_enough(&transaction, signed_in) {
            if transaction.asked_mfa {
                self.oauth
                    .end_authorization(&Digest::of(txn.as_bytes()))
                    .await?;
                let refusal = OAuthRefusal::new(
                    OAuthErrorCode::AccessDenied,
                    "the person did not prove a second factor",
                );
                return Err(Stop::Refusal(Box::new(transaction), refusal));
            }
            self.note_asked_mfa(&txn, &mut transaction).await?;
            return Ok(Outcome::SignIn { txn, mfa: true });
        }
        if direct && let Some(redirection) = self.remembered(&txn, &transaction, signed_in).await? {
            return Ok(Outcome::Redirect(Box::new(redirection)));
        }
        transaction.session = Some(signed_in.session.as_str().to_owned());
        self.keep(&txn, &transaction).await?;
        Ok(Outcome::Consent(Box::new(view(
            txn,
            &transaction,
            person.display_name,
        ))))
    }

    async fn note_asked_mfa(&self, txn: &str, transaction: &mut Transaction) -> Result<(), Stop> {
        transaction.asked_mfa = true;
        self.keep(txn, transaction).await
    }

    async fn keep(&self, txn: &str, transaction: &Transaction) -> Result<(), Stop> {
        let pending = self.pending(txn, transaction)?;
        if self.oauth.update_authorization(&pending).await? {
            return Ok(());
        }
        Err(Stop::Page(PageFault::Expired))
    }

    /// Whether the person proved as much as the client asks for, and lately.
    fn is_strong_enough(&self, transaction: &Transaction, signed_in: &SignedIn) -> bool {
        if !scopes::want_mfa(&transaction.scopes) {
            return true;
        }
        signed_in.proved_lately(self.clock.now())
    }

    /// Goes on without asking, where the person wished so: for approved clients only, and only if no other
    /// page led here. Otherwise another authorization server could lead people through us unseen.
    async fn remembered(
        &self,
        txn: &str,
        transaction: &Transaction,
        signed_in: &SignedIn,
    ) -> Result<Option<Redirection>, Stop> {
        if transaction.client.status != ClientStatus::Approved
            || scopes::want_mfa(&transaction.scopes)
        {
            return Ok(None);
        }
        let consent = consent(transaction, signed_in, true, self.clock.now());
        if self.oauth.remembered_consent(&consent).await?.is_none() {
            return Ok(None);
        }
        self.grant(txn, transaction, signed_in, None)
            .await
            .map(Some)
    }

    async fn decided(
        &self,
        txn: &str,
        transaction: Transaction,
        signed_in: &SignedIn,
        decision: Decision,
    ) -> Result<Redirection, Stop> {
        let active = self.people.user(&signed_in.user).await?;
        if !active.is_some_and(|person| person.active) {
            return Err(Stop::Page(PageFault::PersonInactive));
        }
        if decision.allow {
            let remember = decision.remember && may_remember(&transaction);
            let consent = consent(&transaction, signed_in, remember, self.clock.now());
            return self
                .grant(txn, &transaction, signed_in, Some(consent))
                .await;
        }
        self.end(txn).await?;
        let to = self.error_uri(
            &transaction,
            OAuthErrorCode::AccessDenied,
            "the person did not consent",
        );
        Ok(Redirection {
            to,
            ending: Ending::Denied {
                user: signed_in.user.clone(),
                client: transaction.client.id,
                resource: transaction.resource,
            },
        })
    }

    /// Ends an authorization; whoever comes second finds it over.
    async fn end(&self, txn: &str) -> Result<(), Stop> {
        let id = Digest::of(txn.as_bytes());
        if self.oauth.end_authorization(&id).await? {
            return Ok(());
        }
        Err(Stop::Page(PageFault::Expired))
    }

    /// Makes the grant and the code that leads to it.
    async fn grant(
        &self,
        txn: &str,
        transaction: &Transaction,
        signed_in: &SignedIn,
        consent: Option<Consent>,
    ) -> Result<Redirection, Stop> {
        self.end(txn).await?;
        let code = new_secret(&*self.random).map_err(|_| Stop::Page(PageFault::Unavailable))?;
        let now = self.clock.now();
        let grant = Grant {
            id: self.new_grant_id(),
            kind: GrantKind::Consent,
            subject: signed_in.user.clone(),
            client: transaction.client.id.clone(),
            document: transaction.client.document,
            redirect_uri: Some(transaction.redirect_uri.clone()),
            resource: transaction.resource.clone(),
            scopes: transaction.scopes.clone(),
            session: Some(signed_in.session.as_str().to_owned()),
            sign_in: Some(facts(signed_in)),
            created_at: now,
            expires_at: later(now, self.config.lifetimes.grant),
            last_used_at: None,
            revoked_at: None,
        };
        let stored = AuthorizationCode {
            digest: Digest::of(code.as_bytes()),
            grant: grant.id.clone(),
            client: grant.client.clone(),
            redirect_uri: transaction.redirect_uri.clone(),
            challenge: transaction.challenge.clone(),
            expires_at: later(now, CODE_LIFE),
        };
        self.keep_client(&transaction.client).await?;
        let remembered = consent.is_none();
        self.oauth
            .create_grant(&grant, Some(&stored), consent.as_ref())
            .await?;
        let to = self.answer_uri(transaction, &[("code", &code)]);
        Ok(Redirection {
            to,
            ending: Ending::Granted {
                grant: Box::new(grant),
                remembered,
            },
        })
    }

    /// The redirect URI with an answer, the client's state, and who answers (RFC 9207).
    fn answer_uri(&self, transaction: &Transaction, answer: &[(&str, &str)]) -> String {
        let mut params = answer.to_vec();
        if let Some(state) = &transaction.state {
            params.push(("state", state));
        }
        params.push(("iss", self.issuer()));
        redirect::with_params(&transaction.redirect_uri, &params)
    }

    fn error_uri(
        &self,
        transaction: &Transaction,
        code: OAuthErrorCode,
        description: &str,
    ) -> String {
        let answer = [("error", code.as_str()), ("error_description", description)];
        self.answer_uri(transaction, &answer)
    }

    fn stopped(&self, stop: Stop) -> Outcome {
        let (transaction, refusal) = match stop {
            Stop::Page(fault) => return Outcome::Page(fault),
            Stop::Refusal(transaction, refusal) => (transaction, refusal),
        };
        if transaction.client.status != ClientStatus::Approved {
            return Outcome::Page(PageFault::Refused {
                code: refusal.code,
                description: refusal.description,
            });
        }
        let to = self.error_uri(&transaction, refusal.code, &refusal.description);
        Outcome::Redirect(Box::new(Redirection {
            to,
            ending: Ending::Failed {
                client: transaction.client.id,
                code: refusal.code,
                description: refusal.description,
            },
        }))
    }
}

/// How somebody signed in, for a grant.
pub(super) fn facts(signed_in: &SignedIn) -> SignInFacts {
    SignInFacts {
        auth_time: signed_in.auth_time,
        acr: signed_in.acr.clone(),
        amr: signed_in.amr.clone(),
        mfa: signed_in.mfa,
    }
}

fn no_client(error: NoClient) -> Stop {
    match error {
        NoClient::Unknown => Stop::Page(PageFault::UnknownClient),
        NoClient::Denied => Stop::Page(PageFault::ClientDenied),
        NoClient::Waits => Stop::Page(PageFault::ClientWaits),
        NoClient::Failed(error) => error.into(),
    }
}

/// Where the client is sent back to: what the request names, if it was registered. A client of a service
/// account is never authorized by a person.
fn redirect_of<'a>(client: &'a OAuthClient, given: Option<&'a str>) -> Option<&'a str> {
    if client.kind == ClientKind::Service {
        return None;
    }
    match given {
        Some(given) => client
            .redirect_uris
            .iter()
            .any(|registered| redirect::matches(registered, given))
            .then_some(given),
        None => match client.redirect_uris.as_slice() {
            [only] => Some(only),
            _ => None,
        },
    }
}

/// The PKCE challenge; `plain` is no protection, so `S256` alone is taken.
fn challenge(params: &Params) -> Result<String, OAuthRefusal> {
    let method = params.one("code_challenge_method")?;
    let challenge = params.one("code_challenge")?;
    let (Some(challenge), Some("S256")) = (challenge, method) else {
        return Err(invalid_request(
            "PKCE is required: send code_challenge and code_challenge_method=S256",
        ));
    };
    let is_digest = challenge.len() == CHALLENGE_CHARS
        && challenge
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !is_digest {
        return Err(invalid_request(
            "code_challenge must be a SHA-256 digest in base64url",
        ));
    }
    Ok(challenge.to_owned())
}

fn may_remember(transaction: &Transaction) -> bool {
    transaction.client.status == ClientStatus::Approved && !scopes::want_mfa(&transaction.scopes)
}

fn consent(
    transaction: &Transaction,
    signed_in: &SignedIn,
    remembered: bool,
    now: Timestamp,
) -> Consent {
    Consent {
        user: signed_in.user.clone(),
        client: transaction.client.id.clone(),
        document: transaction.client.document,
        redirect_uri: transaction.redirect_uri.clone(),
        resource: transaction.resource.clone(),
        scopes: transaction.scopes.clone(),
        remembered,
        given_at: now,
    }
}

fn view(txn: String, transaction: &Transaction, user_name: String) -> ConsentView {
    let client = &transaction.client;
    let local = |uri: &String| {
        redirect::parse(uri)
            .is_some_and(|uri| uri.scheme() != "https" || redirect::is_loopback(&uri))
    };
    ConsentView {
        txn,
        client: client.id.clone(),
        client_name: client.name.clone(),
        client_kind: client.kind,
        verified: client.status == ClientStatus::Approved,
        redirect_host: redirect::shown(&transaction.redirect_uri),
        local_only: client.redirect_uris.iter().all(local),
        form_target: redirect::form_target(&transaction.redirect_uri),
        resource: transaction.resource.clone(),
        connector: transaction.connector.clone(),
        scopes: transaction.scopes.clone(),
        user_name,
        may_remember: may_remember(transaction),
    }
}
