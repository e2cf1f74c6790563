//! The SCIM service over a real store: what identity providers send, and what becomes of it.

mod deactivation;
mod filters;
mod groups;
mod lists;
mod patches;
mod tokens;
mod users;

use std::sync::Arc;

use sekimori_domain::clock::Clock as _;
use sekimori_identity::scim::{
    Answer, ListQuery, NewScimToken, Preconditions, Provisioner, Scim, ScimError, View,
    create_scim_token,
};
use sekimori_identity::{Credentials, PublicUrl, SystemRandom};
use sekimori_store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock::{TestClock, TestIds};

pub(crate) const PATCH_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A gate's SCIM service and the identity provider `entra`.
pub(crate) struct World {
    pub(crate) scim: Scim,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) entra: Provisioner,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("test.db").display());
        let store = sekimori_store::open(&url).await.unwrap();
        let clock = Arc::new(TestClock::new());
        let public_url = PublicUrl::new("https://gate.example").unwrap();
        let ids = Arc::new(TestIds::default());
        let scim = Scim::new(&*store, Arc::clone(&clock) as _, ids, &public_url);
        Self {
            scim,
            store,
            clock,
            entra: provisioner("entra"),
            _folder: folder,
        }
    }

    /// A valid token of an identity provider.
    pub(crate) async fn token(&self, provider: &str, networks: &[&str]) -> String {
        let new = NewScimToken {
            provider: provider.into(),
            networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
            created_by: "admin:root".into(),
            expires_at: self.clock.now() + std::time::Duration::from_hours(24),
            awaits_confirmation: false,
        };
        let tokens = self.store.scim_tokens();
        let issued = create_scim_token(&*tokens, &*self.clock, &SystemRandom, new).await;
        issued.unwrap().text.reveal().to_string()
    }

    /// Creates a person; returns the resource.
    pub(crate) async fn create(&self, user_name: &str) -> Value {
        let body = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
            "externalId": format!("object-{user_name}"),
            "userName": user_name,
            "active": true,
            "displayName": format!("{user_name} 花子"),
            "emails": [{"type": "work", "value": format!("{user_name}@example.co.jp"), "primary": true}],
            (ENTERPRISE): {"department": "営業部"},
        });
        self.post(&body).await.unwrap().body.unwrap()
    }

    pub(crate) async fn post(&self, body: &Value) -> Result<Answer, ScimError> {
        self.scim
            .create_user(&self.entra, &bytes(body), &View::default())
            .await
    }

    pub(crate) async fn put(&self, id: &str, body: &Value) -> Result<Answer, ScimError> {
        let (view, none) = (View::default(), Preconditions::default());
        self.scim
            .replace_user(&self.entra, id, &bytes(body), &view, &none)
            .await
    }

    /// Sends operations for a person.
    pub(crate) async fn patch(&self, id: &str, operations: Value) -> Result<Answer, ScimError> {
        let (view, none) = (View::default(), Preconditions::default());
        let body = bytes(&patch(&operations));
        self.scim
            .patch_user(&self.entra, id, &body, &view, &none)
            .await
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Answer, ScimError> {
        let (view, none) = (View::default(), Preconditions::default());
        self.scim.user(&self.entra, id, &view, &none).await
    }

    /// Creates a group; returns the resource.
    pub(crate) async fn create_group(&self, name: &str, members: &[&str]) -> Value {
        let members: Vec<_> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({"displayName": name, "members": members});
        let created = self
            .scim
            .create_group(&self.entra, &bytes(&body), &View::default())
            .await;
        created.unwrap().body.unwrap()
    }

    pub(crate) async fn patch_group(
        &self,
        id: &str,
        operations: Value,
    ) -> Result<Answer, ScimError> {
        let (view, none) = (View::default(), Preconditions::default());
        let body = bytes(&patch(&operations));
        self.scim
            .patch_group(&self.entra, id, &body, &view, &none)
            .await
    }

    /// Lists people: how many there are, and the user names of the page.
    pub(crate) async fn list(
        &self,
        parameters: &[(&str, &str)],
    ) -> Result<(u64, Vec<String>), ScimError> {
        let answer = self
            .scim
            .list_users(&self.entra, &query(parameters)?)
            .await?;
        Ok(names_of(&answer.body.unwrap(), "userName"))
    }
}

pub(crate) fn provisioner(provider: &str) -> Provisioner {
    Provisioner {
        token: "0123456789abcdef".into(),
        provider: provider.into(),
    }
}

pub(crate) fn bytes(body: &Value) -> Vec<u8> {
    serde_json::to_vec(body).unwrap()
}

pub(crate) fn patch(operations: &Value) -> Value {
    json!({"schemas": [PATCH_SCHEMA], "Operations": operations})
}

pub(crate) fn query(parameters: &[(&str, &str)]) -> Result<ListQuery, ScimError> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let pairs: Vec<_> = parameters.iter().map(owned).collect();
    ListQuery::from_parameters(&pairs)
}

/// The total of a list, and one attribute of its resources.
pub(crate) fn names_of(list: &Value, attribute: &str) -> (u64, Vec<String>) {
    let names = list["Resources"].as_array().unwrap().iter();
    let names = names.map(|one| one[attribute].as_str().unwrap_or("-").to_owned());
    (list["totalResults"].as_u64().unwrap(), names.collect())
}

pub(crate) fn id_of(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

/// Status and keyword of an error.
pub(crate) fn error<T: std::fmt::Debug>(result: Result<T, ScimError>) -> (u16, &'static str) {
    let error = result.unwrap_err();
    let body = error.body();
    assert_eq!(body["status"], error.status.to_string());
    (error.status, error.scim_type.unwrap_or(""))
}

pub(crate) fn bearer(text: &str) -> Credentials {
    Credentials::bearer(&format!("Bearer {text}")).unwrap()
}
