//! The first start: a code that works once makes the local administrator.

use std::sync::Arc;
use std::time::Duration;

use sekimori_domain::clock::Clock;
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{GroupName, PrincipalId};
use sekimori_domain::person::{User, UserSource};
use sekimori_store::{Authenticator, AuthenticatorKind, SignIns, StoreError};
use zeroize::Zeroizing;

use super::failure::{Reason, SignInFailure};
use super::local::KeyMaterial;
use super::pending::{Step, Steps};
use super::session::{Browser, OpenedSession, Vouched};
use super::{LOCAL, SignIn, totp};
use crate::random::Random;
use crate::secret::ShownOnce;

/// How long a set-up code works.
pub const SETUP_CODE_LIFETIME: Duration = Duration::from_hours(24);
/// The group, and so the role, of local administrators.
pub const ADMINISTRATORS: &str = "sekimori-admin";
/// Random bytes of a code or key: 24 characters for people to type.
const CODE_BYTES: usize = 15;
const USER_NAME_CHARS_MAX: usize = 64;

/// The local administrator, just made and signed in.
#[derive(Debug)]
pub struct FirstAdministrator {
    /// The person.
    pub user: User,
    /// The sign-in key, to be shown once.
    pub key: ShownOnce,
    /// The session.
    pub opened: OpenedSession,
}

impl SignIn {
    /// Whether a set-up code would be taken.
    pub async fn is_setup_code(&self, code: &str) -> Result<bool, SignInFailure> {
        match self.steps.peek(&normal(code)).await {
            Ok(step) => Ok(matches!(step, Step::Setup)),
            Err(Reason::Ended) => Ok(false),
            Err(reason) => Err(reason.into()),
        }
    }

    /// Makes the local administrator and signs them in, for a set-up code.
    pub async fn set_up(
        &self,
        browser: &Browser,
        code: &str,
        user_name: &str,
    ) -> Result<FirstAdministrator, SignInFailure> {
        let made = self.make_administrator(browser, code, user_name).await;
        made.map_err(|reason| SignInFailure::at(LOCAL, reason))
    }

    async fn make_administrator(
        &self,
        browser: &Browser,
        code: &str,
        user_name: &str,
    ) -> Result<FirstAdministrator, Reason> {
        let user = self.new_administrator(user_name)?;
        // Looked at first: a name that is taken must not cost the code.
        let step = self.steps.peek(&normal(code)).await;
        if !matches!(step, Ok(Step::Setup)) {
            return Err(match step {
                Ok(_) | Err(Reason::Ended) => Reason::WrongCode,
                Err(reason) => reason,
            });
        }
        let taken = self.persons.people.user_by_name(user_name).await?;
        if taken.is_some() {
            return Err(Reason::NameTaken);
        }
        // Of two who use the same code, one gets it.
        self.steps.take(&normal(code)).await?;
        match self.persons.people.create_user(&user).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => return Err(Reason::NameTaken),
            Err(error) => return Err(error.into()),
        }
        let group = GroupName::new(ADMINISTRATORS).map_err(|_| Reason::Internal)?;
        self.persons
            .people
            .claim_groups(&user.id, LOCAL, &[group])
            .await?;
        let opened = self
            .sessions
            .open(
                browser,
                Vouched {
                    user: user.id.clone(),
                    idp: LOCAL.to_owned(),
                    idp_session: None,
                    idp_subject: user.id.to_string(),
                    auth_time: self.clock.now(),
                    acr: None,
                    amr: vec!["pwd".to_owned()],
                    mfa: false,
                    id_token: None,
                },
            )
            .await?;
        let key = readable_secret(&*self.random)?;
        let material = KeyMaterial {
            digest: Digest::of(normal(&key).as_bytes()),
        };
        let new = self.new_authenticator(&opened.signed_in, AuthenticatorKind::Key, "")?;
        let new = Authenticator {
            material: serde_json::to_string(&material).map_err(|_| Reason::Internal)?,
            ..new
        };
        self.authenticators.0.create(&new).await?;
        Ok(FirstAdministrator {
            user,
            key: ShownOnce::new(key),
            opened,
        })
    }

    fn new_administrator(&self, user_name: &str) -> Result<User, Reason> {
        let valid = (1..=USER_NAME_CHARS_MAX).contains(&user_name.len())
            && user_name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._@".contains(&byte));
        if !valid {
            return Err(Reason::Invalid(
                "use 1 to 64 letters, digits, '-', '.', '_' and '@' as a name",
            ));
        }
        let now = self.clock.now();
        Ok(User {
            id: PrincipalId::of_user(self.ids.next()).map_err(|_| Reason::Internal)?,
            user_name: user_name.to_owned(),
            display_name: user_name.to_owned(),
            active: true,
            source: UserSource::Local,
            provider: None,
            external_id: None,
            department: None,
            employment: None,
            country: None,
            locale: None,
            emails: Vec::new(),
            attributes: serde_json::Map::new(),
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }
}

/// Makes a set-up code. It is shown to whoever sets the gate up, and works once.
pub async fn create_setup_code(
    store: Arc<dyn SignIns>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> Result<ShownOnce, SignInFailure> {
    let code = readable_secret(&*random)?;
    let steps = Steps {
        store,
        clock,
        random,
    };
    steps
        .put(&normal(&code), &Step::Setup, SETUP_CODE_LIFETIME)
        .await?;
    Ok(ShownOnce::new(code))
}

/// A random text that a person can type: nothing to guess, so no slow hash is needed.
fn readable_secret(random: &dyn Random) -> Result<Zeroizing<String>, Reason> {
    let mut bytes = Zeroizing::new([0; CODE_BYTES]);
    random.fill(bytes.as_mut_slice())?;
    let text = Zeroizing::new(totp::base32(bytes.as_slice()));
    Ok(Zeroizing::new(
        super::enrol::grouped(&text).replace(' ', "-"),
    ))
}

/// A code as it was made, however it was typed.
pub(super) fn normal(text: &str) -> Zeroizing<String> {
    Zeroizing::new(
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|character| character.to_ascii_uppercase())
            .take(128)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_may_be_typed_in_any_way() {
        assert_eq!(*normal("abcd-EFGH 2345\n"), "ABCDEFGH2345");
    }
}
