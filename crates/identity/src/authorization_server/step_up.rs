//! Stepping a grant up: the person proves a second factor, and the client goes on with the token that it has.

use sekimori_domain::oauth::Grant;
use sekimori_store::StoreError;

use super::AuthorizationServer;
use super::authorize::facts;
use crate::sign_in::SignedIn;

/// What a person is asked who comes to step a grant up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepUp {
    /// It is not a grant of this person, or it has ended.
    Unknown,
    /// The person has to prove a second factor first.
    Prove,
    /// The person is asked whether it is to count for this grant.
    Ask {
        /// The grant.
        grant: Box<Grant>,
        /// What the client calls itself.
        client_name: String,
    },
}

impl AuthorizationServer {
    /// Whether a grant can be stepped up by whoever is signed in.
    pub async fn ask_to_step_up(
        &self,
        grant: &str,
        signed_in: &SignedIn,
    ) -> Result<StepUp, StoreError> {
        let now = self.clock.now();
        let found = self.oauth.grant(grant).await?;
        let own = found.filter(|grant| grant.subject == signed_in.user && grant.is_alive(now));
        let Some(grant) = own else {
            return Ok(StepUp::Unknown);
        };
        if !signed_in.proved_lately(now) {
            return Ok(StepUp::Prove);
        }
        let client = self.oauth.client(grant.client.as_str()).await?;
        Ok(StepUp::Ask {
            client_name: client.map_or_else(|| grant.client.to_string(), |client| client.name),
            grant: Box::new(grant),
        })
    }

    /// Steps a grant up, after the person agreed. Tells which, unless it can't be.
    pub async fn step_up(
        &self,
        grant: &str,
        signed_in: &SignedIn,
    ) -> Result<Option<Grant>, StoreError> {
        let StepUp::Ask { grant, .. } = self.ask_to_step_up(grant, signed_in).await? else {
            return Ok(None);
        };
        let raised = self.oauth.raise_grant(&grant.id, &facts(signed_in)).await?;
        Ok(raised.then_some(*grant))
    }
}
