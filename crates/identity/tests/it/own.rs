//! Our own authorization server, as far as the resource server looks at it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use sekimori_domain::oauth::SignInFacts;
use sekimori_identity::authorization_server::PublicKeys;
use sekimori_identity::{OwnIssuer, Person};
use sekimori_store::{Result, StoreError};
use serde_json::{Value, json};

use crate::gate::{Gate, PUBLIC_URL};
use crate::issuer::SigningKey;

/// The person whom tokens are about.
pub(crate) const HANAKO: &str = "usr_0190a1b2c3d47e5f8a9b0c1d2e3f4a5b";

#[derive(Debug)]
struct State {
    keys: Arc<PublicKeys>,
    client_kind: Option<&'static str>,
    broken: bool,
}

#[derive(Debug)]
pub(crate) struct Own(Mutex<State>);

impl Own {
    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        let mut state = self.0.lock().unwrap();
        state.keys = published(json!({ "keys": keys }));
    }

    pub(crate) fn set_client(&self, kind: Option<&'static str>) {
        self.0.lock().unwrap().client_kind = kind;
    }

    pub(crate) fn set_broken(&self) {
        self.0.lock().unwrap().broken = true;
    }
}

#[async_trait]
impl OwnIssuer for Own {
    fn issuer(&self) -> &str {
        PUBLIC_URL
    }

    fn keys(&self) -> Arc<PublicKeys> {
        Arc::clone(&self.0.lock().unwrap().keys)
    }

    async fn client_kind(&self, _client: &str) -> Result<Option<&'static str>> {
        let state = self.0.lock().unwrap();
        if state.broken {
            return Err(StoreError::Unavailable("broken on purpose".into()));
        }
        Ok(state.client_kind)
    }

    async fn proof_of(&self, _grant: &str, _now: Timestamp) -> Result<Option<SignInFacts>> {
        Ok(None)
    }
}

/// A gate with an authorization server of its own, where Hanako is known.
pub(crate) struct OwnGate {
    pub(crate) gate: Gate,
    pub(crate) own: Arc<Own>,
    pub(crate) key: SigningKey,
}

impl OwnGate {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate(Algorithm::ES256, "own-1");
        let keys = published(json!({ "keys": [key.jwk()] }));
        let own = Arc::new(Own(Mutex::new(State {
            keys,
            client_kind: Some("preregistered"),
            broken: false,
        })));
        let gate = Gate::own(Arc::<Own>::clone(&own));
        gate.stores.set_person(HANAKO, Some(person(&["sales"])));
        Self { gate, own, key }
    }

    /// A token of Hanako's; `changes` replace claims or, with null, remove them.
    pub(crate) fn token(&self, changes: &Value) -> String {
        self.key.sign(&self.claims(changes))
    }

    pub(crate) fn claims(&self, changes: &Value) -> Value {
        let mut claims = json!({
            "sub": HANAKO, "gid": "grant-1", "sid": "session-1", "jti": "t-1",
            "name": null, "groups": null,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.gate.claims(PUBLIC_URL, &claims)
    }
}

fn published(jwks: Value) -> Arc<PublicKeys> {
    Arc::new(PublicKeys::new(jwks).unwrap())
}

pub(crate) fn person(groups: &[&str]) -> Person {
    Person {
        display_name: "山田花子".to_owned(),
        groups: groups
            .iter()
            .map(|name| sekimori_domain::ids::GroupName::new(name).unwrap())
            .collect(),
        department: Some("営業部".to_owned()),
        employment: Some("regular".to_owned()),
    }
}
