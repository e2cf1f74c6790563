//! Sessions of people in browsers: opened, found by their cookie, renewed, ended.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sekimori_domain::clock::{Clock, Ids};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{PrincipalId, SessionId};
use sekimori_store::{BrowserSession, SessionProof, SessionSelector, Sessions, StoreError};
use zeroize::Zeroizing;

use crate::random::{Random, RandomError};
use crate::secret::{ShownOnce, new_secret};

/// How long a session lasts, used or not: a working day.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(12);
/// How long an unused session lasts.
pub const SESSION_IDLE: Duration = Duration::from_hours(2);
/// Length of a cookie: 32 random bytes in base64url.
const COOKIE_CHARS: usize = 43;
/// What is kept of the name that a browser gives itself.
const USER_AGENT_CHARS_MAX: usize = 256;

/// Who is signed in, as the session cookie tells.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The session.
    pub session: SessionId,
    /// The person.
    pub user: PrincipalId,
    /// The identity provider that vouched, or `local`.
    pub idp: String,
    /// The provider's own session, where told.
    pub idp_session: Option<String>,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// Authentication context class, where told.
    pub acr: Option<String>,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// Whether more than one factor was proved in this session.
    pub mfa: bool,
    /// When it last was.
    pub mfa_at: Option<Timestamp>,
    /// The browser, over several sessions.
    pub device: Digest,
    /// To be sent along with every form of this session, and compared in constant time: another site can
    /// make the browser send the cookie, but can't know this.
    pub form_token: String,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("session", &self.session)
            .field("user", &self.user)
            .field("idp", &self.idp)
            .field("mfa", &self.mfa)
            .finish_non_exhaustive()
    }
}

/// How old a second factor may be that is asked for now: time to find the phone.
const PROVED_LATELY: SignedDuration = SignedDuration::from_mins(5);

impl SignedIn {
    /// Whether more than one factor was proved, and lately.
    pub fn proved_lately(&self, now: Timestamp) -> bool {
        self.mfa_at
            .is_some_and(|at| now.duration_since(at) <= PROVED_LATELY)
    }

    /// Whether a form that was sent belongs to this session.
    pub fn owns_form(&self, token: &str) -> bool {
        use subtle::ConstantTimeEq as _;
        bool::from(self.form_token.as_bytes().ct_eq(token.as_bytes()))
    }
}

/// What a request tells of the browser it comes from.
#[derive(Clone, Default)]
pub struct Browser {
    /// The session cookie, if there is one.
    pub session: Option<String>,
    /// The browser key, if there is one.
    pub key: Option<String>,
    /// Address of the peer.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header: claimed.
    pub user_agent: Option<String>,
}

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser")
            .field("ip", &self.ip)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}

impl Browser {
    /// The browser key, if it has the form of one.
    pub(crate) fn valid_key(&self) -> Option<&str> {
        self.key.as_deref().filter(|key| is_cookie(key))
    }

    /// By what the browser is known over several sessions; of a browser without a key, nothing else.
    pub(crate) fn device(&self) -> Digest {
        device(self.valid_key().unwrap_or_default())
    }

    fn user_agent(&self) -> Option<String> {
        let text = self.user_agent.as_deref()?;
        Some(text.chars().take(USER_AGENT_CHARS_MAX).collect())
    }
}

/// The digest under which a browser's sessions are grouped. Not the digest of the key alone, so that it
/// can't be mistaken for one that proves possession.
pub(crate) fn device(key: &str) -> Digest {
    Digest::of_parts(&[b"sekimori device\0", key.as_bytes()])
}

fn is_cookie(text: &str) -> bool {
    text.len() == COOKIE_CHARS
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// What somebody vouches for: who the person is and how that was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The person.
    pub user: PrincipalId,
    /// The identity provider, or `local`.
    pub idp: String,
    /// Its own session, where told.
    pub idp_session: Option<String>,
    /// The person's subject there.
    pub idp_subject: String,
    /// When it was proved.
    pub auth_time: Timestamp,
    /// Authentication context class, where told.
    pub acr: Option<String>,
    /// Authentication methods.
    pub amr: Vec<String>,
    /// Whether more than one factor was proved.
    pub mfa: bool,
    /// The provider's ID token, for signing out there.
    pub id_token: Option<String>,
}

/// A session that was opened or renewed.
#[derive(Debug)]
pub struct OpenedSession {
    /// Who is signed in now.
    pub signed_in: SignedIn,
    /// The new session cookie.
    pub cookie: ShownOnce,
    /// The session that the browser had before, and that was ended.
    pub ended: Option<SessionId>,
    /// Whether no other open session of the person is in this browser.
    pub new_device: bool,
}

/// A session could not be opened, found or ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The store could not do it.
    #[error("the store could not do it")]
    Store(#[from] StoreError),
    /// No random bytes, so no cookie.
    #[error("no cookie could be made")]
    Random(#[from] RandomError),
    /// A time can't be represented.
    #[error("the session has no end that can be represented")]
    Time,
    /// The session ended meanwhile.
    #[error("the session has ended")]
    Ended,
}

/// Keeps the sessions.
#[derive(Clone)]
pub struct SessionKeeper {
    sessions: Arc<dyn Sessions>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    random: Arc<dyn Random>,
}

impl fmt::Debug for SessionKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKeeper").finish_non_exhaustive()
    }
}

impl SessionKeeper {
    /// A keeper of the sessions of a store.
    pub fn new(
        sessions: Arc<dyn Sessions>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            sessions,
            clock,
            ids,
            random,
        }
    }

    /// Who is signed in in this browser. Nobody, if the session is revoked or has ended; whether the person
    /// is still active is for the caller to ask.
    pub async fn current(&self, browser: &Browser) -> Result<Option<SignedIn>, SessionError> {
        let Some(cookie) = browser.session.as_deref().filter(|text| is_cookie(text)) else {
            return Ok(None);
        };
        let found = self.sessions.find(&Digest::of(cookie.as_bytes())).await?;
        let now = self.clock.now();
        let Some(session) = found.filter(|session| is_live(session, now)) else {
            return Ok(None);
        };
        self.sessions.touch(&session.id, now).await?;
        Ok(Some(signed_in(&session, cookie)))
    }

    /// Opens a session for whom somebody vouched. A session that the browser has already is renewed if it
    /// is the same person's at the same provider, and ended otherwise; its cookie is worth nothing
    /// afterwards in any case (session fixation).
    pub async fn open(
        &self,
        browser: &Browser,
        vouched: Vouched,
    ) -> Result<OpenedSession, SessionError> {
        let before = self.current(browser).await?;
        let renewable = before.as_ref().filter(|before| {
            before.user == vouched.user
                && before.idp == vouched.idp
                && before.idp_session == vouched.idp_session
        });
        if let (Some(_), Some(cookie)) = (renewable, &browser.session) {
            return self.renew(browser, cookie, &vouched).await;
        }
        let ended = match before {
            Some(before) => {
                self.end(SessionSelector::Id(&before.session)).await?;
                Some(before.session)
            }
            None => None,
        };
        let mut opened = self.open_new(browser, vouched).await?;
        opened.ended = ended;
        Ok(opened)
    }

    async fn open_new(
        &self,
        browser: &Browser,
        vouched: Vouched,
    ) -> Result<OpenedSession, SessionError> {
        let now = self.clock.now();
        let cookie = new_secret(&*self.random)?;
        let device = browser.device();
        let known = self.sessions.of_user(&vouched.user, now).await?;
        let session = BrowserSession {
            id: SessionId::from_uuid(self.ids.next()),
            cookie_digest: Digest::of(cookie.as_bytes()),
            device,
            proof: proof(browser, &vouched, None, now),
            user: vouched.user,
            idp: vouched.idp,
            idp_session: vouched.idp_session,
            idp_subject: vouched.idp_subject,
            created_at: now,
            last_seen_at: now,
            expires_at: now
                .checked_add(SESSION_LIFETIME)
                .map_err(|_| SessionError::Time)?,
            revoked_at: None,
        };
        self.sessions.create(&session).await?;
        Ok(OpenedSession {
            signed_in: signed_in(&session, &cookie),
            cookie: ShownOnce::new(cookie),
            ended: None,
            new_device: known.iter().all(|other| other.device != device),
        })
    }

    /// Proves the person of the browser's session anew: same session, stronger proof, other cookie.
    async fn renew(
        &self,
        browser: &Browser,
        old_cookie: &str,
        vouched: &Vouched,
    ) -> Result<OpenedSession, SessionError> {
        let old_digest = Digest::of(old_cookie.as_bytes());
        let Some(mut session) = self.sessions.find(&old_digest).await? else {
            return Err(SessionError::Ended);
        };
        let cookie = new_secret(&*self.random)?;
        let digest = Digest::of(cookie.as_bytes());
        session.proof = proof(browser, vouched, Some(&session.proof), self.clock.now());
        if !self
            .sessions
            .renew(&old_digest, &digest, &session.proof)
            .await?
        {
            return Err(SessionError::Ended);
        }
        Ok(OpenedSession {
            signed_in: signed_in(&session, &cookie),
            cookie: ShownOnce::new(cookie),
            ended: None,
            new_device: false,
        })
    }

    /// Adds a factor that was proved here to the browser's session.
    pub(crate) async fn step_up(
        &self,
        browser: &Browser,
        method: &str,
    ) -> Result<OpenedSession, SessionError> {
        let cookie = browser.session.as_deref().unwrap_or_default();
        let found = self.sessions.find(&Digest::of(cookie.as_bytes())).await?;
        let now = self.clock.now();
        let Some(session) = found.filter(|session| is_live(session, now)) else {
            return Err(SessionError::Ended);
        };
        let mut amr = session.proof.amr.clone();
        for added in [method, "mfa"] {
            if !amr.iter().any(|known| known == added) {
                amr.push(added.to_owned());
            }
        }
        let vouched = Vouched {
            user: session.user,
            idp: session.idp,
            idp_session: session.idp_session,
            idp_subject: session.idp_subject,
            auth_time: now,
            acr: session.proof.acr,
            amr,
            mfa: true,
            id_token: session.proof.id_token,
        };
        self.renew(browser, cookie, &vouched).await
    }

    /// A person's sessions that are neither revoked nor ended, newest first.
    pub async fn of_user(&self, user: &PrincipalId) -> Result<Vec<BrowserSession>, SessionError> {
        Ok(self.sessions.of_user(user, self.clock.now()).await?)
    }

    /// The session of that id.
    pub async fn get(&self, id: &SessionId) -> Result<Option<BrowserSession>, SessionError> {
        Ok(self.sessions.get(id).await?)
    }

    /// Ends sessions; tells which were open.
    pub async fn end(&self, which: SessionSelector<'_>) -> Result<Vec<SessionId>, SessionError> {
        Ok(self.sessions.revoke(which, self.clock.now()).await?)
    }

    /// Forgets sessions that ended a day ago. To be called now and then.
    pub async fn forget_ended(&self) -> Result<u64, SessionError> {
        let day_ago = self
            .clock
            .now()
            .checked_sub(Duration::from_hours(24))
            .map_err(|_| SessionError::Time)?;
        Ok(self.sessions.purge(day_ago).await?)
    }
}

fn is_live(session: &BrowserSession, now: Timestamp) -> bool {
    // What is noted to the minute lags by one.
    let idle_end = session
        .last_seen_at
        .checked_add(SESSION_IDLE + Duration::from_mins(1));
    session.revoked_at.is_none()
        && now < session.expires_at
        && idle_end.is_ok_and(|idle_end| now < idle_end)
}

fn proof(
    browser: &Browser,
    vouched: &Vouched,
    before: Option<&SessionProof>,
    now: Timestamp,
) -> SessionProof {
    let proved_before = before.and_then(|before| before.mfa_at);
    SessionProof {
        auth_time: vouched.auth_time,
        acr: vouched.acr.clone(),
        amr: vouched.amr.clone(),
        mfa_at: if vouched.mfa {
            Some(vouched.auth_time.min(now))
        } else {
            proved_before
        },
        ip: browser.ip,
        user_agent: browser.user_agent(),
        id_token: vouched.id_token.clone(),
    }
}

fn signed_in(session: &BrowserSession, cookie: &str) -> SignedIn {
    SignedIn {
        session: session.id.clone(),
        user: session.user.clone(),
        idp: session.idp.clone(),
        idp_session: session.idp_session.clone(),
        auth_time: session.proof.auth_time,
        acr: session.proof.acr.clone(),
        amr: session.proof.amr.clone(),
        mfa: session.proof.mfa_at.is_some(),
        mfa_at: session.proof.mfa_at,
        device: session.device,
        form_token: form_token(cookie),
    }
}

fn form_token(cookie: &str) -> String {
    let cookie = Zeroizing::new([b"sekimori form\0".as_slice(), cookie.as_bytes()].concat());
    Digest::of(&cookie).hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_make_is_a_cookie() {
        let cookie = new_secret(&crate::random::SystemRandom).unwrap();
        assert!(is_cookie(&cookie));
        for bad in ["", "a", &"a".repeat(44), &format!("{}=", "a".repeat(42))] {
            assert!(!is_cookie(bad), "{bad}");
        }
    }

    #[test]
    fn neither_cookie_nor_form_token_is_shown() {
        let browser = Browser {
            session: Some("hunter2".into()),
            key: Some("hunter3".into()),
            ..Browser::default()
        };
        assert!(!format!("{browser:?}").contains("hunter"));
    }
}
