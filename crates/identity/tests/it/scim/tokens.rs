//! SCIM tokens.

use std::net::IpAddr;
use std::time::Duration;

use sekimori_domain::clock::Clock as _;
use sekimori_identity::scim::{NewScimToken, SCIM_TOKEN_LIFETIME_MAX, create_scim_token};
use sekimori_identity::{Credentials, IdentityError, SystemRandom};

use super::{World, bearer, error};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_token_proves_one_identity_provider_until_it_ends() {
    let world = World::new().await;
    let text = world.token("okta", &[]).await;
    assert!(text.starts_with("sms_"));
    let by = world.scim.authenticate(&bearer(&text), None).await.unwrap();
    assert_eq!(by.provider, "okta");
    let stored = world
        .store
        .scim_tokens()
        .get(&by.token)
        .await
        .unwrap()
        .unwrap();
    assert!(stored.last_used_at.is_some());
    let secret = text.rsplit_once('_').unwrap().1;
    assert!(!format!("{stored:?}").contains(secret));
    world.clock.advance(DAY);
    assert_eq!(
        error(world.scim.authenticate(&bearer(&text), None).await),
        (401, "")
    );
}

/// All failures look alike: nobody learns which ids there are.
#[tokio::test]
async fn everything_else_proves_nothing() {
    let world = World::new().await;
    let (text, revoked) = (
        world.token("okta", &[]).await,
        world.token("okta", &[]).await,
    );
    let id = revoked.split('_').nth(1).unwrap();
    world
        .store
        .scim_tokens()
        .revoke(id, world.clock.now())
        .await
        .unwrap();
    let (head, secret) = text.split_at(21);
    let unknown = format!("sms_0000000000000000_{secret}");
    let flipped = format!("{head}{}", secret.chars().rev().collect::<String>());
    let mut answers = Vec::new();
    for credentials in [
        Credentials::None,
        bearer(&revoked),
        bearer(&unknown),
        bearer(&flipped),
        bearer(&text.replace("sms_", "smk_")),
        bearer(head),
        bearer("eyJhbGciOiJub25lIn0.e30."),
    ] {
        let result = world.scim.authenticate(&credentials, None).await;
        answers.push(result.unwrap_err());
    }
    assert!(
        answers
            .iter()
            .all(|answer| *answer == answers[0] && answer.status == 401)
    );
    assert!(world.scim.authenticate(&bearer(&text), None).await.is_ok());
}

#[tokio::test]
async fn a_token_is_good_from_its_networks_only() {
    let world = World::new().await;
    let text = world.token("okta", &["20.0.0.0/8", "2001:db8::/32"]).await;
    let from = async |ip: &str| {
        let ip: IpAddr = ip.parse().unwrap();
        world
            .scim
            .authenticate(&bearer(&text), Some(ip))
            .await
            .is_ok()
    };
    for good in ["20.1.2.3", "::ffff:20.1.2.3", "2001:db8::1"] {
        assert!(from(good).await, "{good}");
    }
    for bad in ["21.1.2.3", "127.0.0.1", "::1"] {
        assert!(!from(bad).await, "{bad}");
    }
    assert!(world.scim.authenticate(&bearer(&text), None).await.is_err());
}

#[tokio::test]
async fn tokens_are_bounded_in_number_and_time() {
    let world = World::new().await;
    let create = async |provider: &str, life: Duration| {
        let new = NewScimToken {
            provider: provider.into(),
            networks: vec![],
            created_by: "admin:root".into(),
            expires_at: world.clock.now() + life,
            awaits_confirmation: false,
        };
        create_scim_token(
            &*world.store.scim_tokens(),
            &*world.clock,
            &SystemRandom,
            new,
        )
        .await
    };
    for (provider, life) in [
        ("okta", Duration::ZERO),
        ("okta", SCIM_TOKEN_LIFETIME_MAX + DAY),
        ("Okta!", DAY),
        ("", DAY),
    ] {
        let error = create(provider, life).await.unwrap_err();
        assert!(
            matches!(error, IdentityError::Invalid { .. }),
            "{provider} {life:?}"
        );
    }
    create("okta", DAY).await.unwrap();
    create("okta", DAY).await.unwrap();
    assert!(create("okta", DAY).await.is_err());
    create("entra", DAY).await.unwrap();
    world.clock.advance(DAY);
    create("okta", DAY).await.unwrap();
}
