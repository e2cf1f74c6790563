//! Who is calling: OAuth 2.1 resource server, service-account keys, local administrator.
//!
//! [`Authenticator::authenticate`] is the only maker of a [`Caller`](sekimori_domain::caller::Caller).
//! It takes what the request's `Authorization` header holds ([`Credentials`]) and answers with a caller or
//! a [`Refusal`](sekimori_domain::refusal::Refusal); there is no third outcome, and nobody is let in
//! because a check could not be made.
//!
//! | credential | form | proved by |
//! |---|---|---|
//! | access token | a signed JWT (RFC 9068) | the keys of our own authorization server, or of a configured issuer |
//! | service-account key | `smk_<id>_<secret>` | SHA-256 of the secret, in the store |
//! | local administrator's token | `sma_<secret>` | SHA-256 of the token, in the store |
//!
//! Access tokens are accepted for exactly one resource, ours ([`ResourceUri`]), and are never sent on.
//! What was verified once is remembered until it ends, until the issuer's keys change, or until
//! [`Authenticator::revoke_remembered`]; service keys are compared with a snapshot of the store that is
//! never older than the last change the store told of. Of people with tokens of our own, the store tells groups
//! and everything else at each call.
//!
//! Whatever was proved, the caller is compared with what was revoked ([`Revocations`]) at every call, and
//! [`Authenticator::revoked`] ends what is under way. Where a call comes from, and on which device, goes with
//! the caller for conditional access ([`Conditions`]).

mod address_counts;
mod administrator;
mod authenticator;
pub mod authorization_server;
mod challenge;
mod conditions;
mod credentials;
mod device_reports;
mod documents;
mod error;
mod fetch;
pub mod linked_accounts;
mod local;
mod people;
mod random;
mod resource;
mod revocation;
pub mod scim;
mod scope;
mod secret;
mod service_accounts;
pub mod sign_in;
mod token;
mod wrap;

pub use administrator::{FIRST_ADMINISTRATOR_LIFETIME, IssuedAdministrator, create_administrator};
pub use authenticator::{Authenticator, AuthenticatorConfig};
pub use challenge::{challenge, protected_resource_metadata};
pub use conditions::{Conditions, CountryDatabase, CountryDatabaseError, KnownDevices, Zone};
pub use credentials::{Bearer, CREDENTIAL_BYTES_MAX, Credentials};
pub use device_reports::{DeviceReports, ReportError, SignedReport, TrustedReport};
pub use documents::GuardedDocuments;
pub use error::{ConfigError, IdentityError};
pub use fetch::{Document, Fetch, FetchDocument, FetchError};
pub use local::CredentialStores;
pub use people::{ActivePeople, Person};
pub use random::{Random, RandomError, SystemRandom};
pub use resource::{PublicUrl, ResourceUri};
pub use revocation::{EndedAccess, KEPT_FOR, Revocations, STALE_AFTER, end_access};
pub use scope::{ASSURANCE_MFA, Scope, ask_for_second_factor, check_scope, required_scope};
pub use secret::ShownOnce;
pub use service_accounts::{
    IssuedKey, LIFETIME_MAX, NewAccount, create_account, create_key, find_owner, hand_over,
    revoke_key,
};
pub use token::{Algorithm, ClaimNames, IssuerConfig, KeySource, LocalIssuer, OwnIssuer};
pub use wrap::{KeyWrap, NotWrapped};
