//! Values to store.

use sekimori_domain::Timestamp;
use sekimori_domain::catalog::{Environment, OperationClass, Review, Target, TargetKind};
use sekimori_domain::connector::{Connector, ProtocolChoice, Transport};
use sekimori_domain::constraint::{
    Constraints, CurrentRead, ModeArgument, Projection, Rule, ToolTag,
};
use sekimori_domain::digest::Digest;
use sekimori_domain::ids::{
    CallId, ConnectorName, CorrelationId, DataClass, GroupId, GroupName, PrincipalId,
};
use sekimori_domain::person::{Group, ScimToken, User, UserSource};
use sekimori_domain::policy_set::PolicyContent;
use sekimori_domain::record::{
    CallerNote, EventKind, OutcomeNote, OutcomeStatus, Phase, RECORD_VERSION, Record, TargetNote,
};
use sekimori_domain::role::{ApprovalRule, Condition, DataScope, Grant, GuardRails, Members, Role};
use sekimori_domain::service_account::{ServiceAccount, ServiceKey};
use sekimori_store::{AdministratorToken, AuditBatch, Definition, IndexedRecord, NewPolicySet};
use uuid::Uuid;

/// A time with nanoseconds, so that rounding shows.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::new(1_790_000_000 + second, 123_456_789).unwrap()
}

pub(crate) fn name(text: &str) -> ConnectorName {
    ConnectorName::new(text).unwrap()
}

pub(crate) fn connector(text: &str) -> Connector {
    Connector {
        name: name(text),
        title: "顧客管理".into(),
        transport: Transport::Http {
            url: "https://crm.example.com/mcp".into(),
            headers: std::collections::BTreeMap::new(),
            allow_private_network: false,
        },
        protocol: ProtocolChoice::Auto,
        environment: Environment::Production,
        data_classes: vec![DataClass::personal()],
        enabled: true,
        allow_sampling: false,
        allow_roots: false,
        timeout_seconds: 30,
        exposure: None,
        trust: None,
        refresh_seconds: 60,
        oauth: None,
        created_at: at(0),
    }
}

pub(crate) fn tool(connector: &str, text: &str) -> Target {
    Target {
        connector: name(connector),
        kind: TargetKind::Tool,
        name: text.into(),
    }
}

pub(crate) fn review(definition: &[u8]) -> Review {
    Review {
        class: OperationClass::Read,
        idempotent: true,
        accepted: vec!["instruction".into()],
        data_classes: vec![DataClass::internal()],
        definition: Digest::of(definition),
        reviewer: "admin:審査".into(),
        reviewed_at: at(1),
        constraints: constraints(),
    }
}

/// One of everything that a review may declare.
fn constraints() -> Constraints {
    Constraints {
        tags: [ToolTag::SendsMail].into(),
        mode: Some(ModeArgument {
            pointer: "/action".into(),
            classes: [("送る".to_owned(), OperationClass::Create)].into(),
            absent: None,
        }),
        projections: vec![Projection {
            name: "recipientDomains".into(),
            pointers: vec!["/to/*".into()],
            rule: Rule::Recipients {
                domains: ["example.co.jp".to_owned()].into(),
                max: Some(5),
            },
            required: true,
            resource: false,
        }],
        current: Some(CurrentRead {
            tool: "下書きを読む".into(),
            arguments: [("id".to_owned(), "/draft".to_owned())].into(),
            compare: [("/subject".to_owned(), "/draft/subject".to_owned())].into(),
        }),
    }
}

pub(crate) fn definition(target: &Target, raw: &str) -> Definition {
    Definition {
        target: target.clone(),
        digest: Digest::of(raw.as_bytes()),
        raw: raw.into(),
    }
}

/// One of everything that a role may hold.
fn role() -> Role {
    Role {
        name: GroupName::new("営業").unwrap(),
        title: [("ja".to_owned(), "営業".to_owned())].into(),
        description: "sells".into(),
        members: Members {
            groups: [GroupName::new("sales").unwrap()].into(),
            principals: [PrincipalId::new("service:batch").unwrap()].into(),
        },
        grants: vec![Grant {
            classes: [OperationClass::Read].into(),
            connectors: [name("crm")].into(),
            tools: ["crm/find".to_owned()].into(),
            environments: [Environment::Production].into(),
            data: DataScope::Any,
            conditions: vec![Condition::Mfa {
                age_seconds_max: Some(60),
            }],
            approval: Some(ApprovalRule {
                reason: "personal data".into(),
                approvers: [GroupName::new("legal").unwrap()].into(),
                quorum: 2,
                step_up: true,
            }),
        }],
    }
}

pub(crate) fn policies(author: &str) -> NewPolicySet {
    NewPolicySet {
        content: PolicyContent {
            text: "permit(principal, action, resource);".into(),
            roles: vec![role()],
            guard_rails: GuardRails {
                internal_domains: ["example.co.jp".to_owned()].into(),
                ..GuardRails::default()
            },
            ..PolicyContent::default()
        },
        author: author.into(),
        created_at: at(2),
    }
}

pub(crate) fn account(text: &str) -> ServiceAccount {
    ServiceAccount {
        name: text.into(),
        owner: "user:tanaka".into(),
        purpose: "夜間バッチ".into(),
        groups: vec![GroupName::new("営業部").unwrap()],
        scopes: vec!["mcp:read".into()],
        environments: vec![Environment::Staging],
        networks: vec!["10.0.0.0/8".parse().unwrap()],
        created_at: at(3),
        expires_at: at(1_000),
        suspended_at: None,
    }
}

pub(crate) fn key(id: &str, account: &str) -> ServiceKey {
    ServiceKey {
        id: id.into(),
        account: account.into(),
        secret_digest: Digest::of(id.as_bytes()),
        created_at: at(4),
        expires_at: at(2_000),
        revoked_at: None,
        last_used_at: None,
    }
}

pub(crate) fn token(text: &str, secret: &[u8]) -> AdministratorToken {
    AdministratorToken {
        name: text.into(),
        token_digest: Digest::of(secret),
        created_at: at(5),
        expires_at: at(3_000),
        revoked_at: None,
    }
}

/// The number-th record of a node: a tool call that went well, one second after the one before.
pub(crate) fn record(node: &str, number: u64) -> Record {
    let id = Uuid::from_u64_pair(Digest::of(node.as_bytes()).0[0].into(), number);
    Record {
        arguments: None,
        call: Some(CallId(id)),
        caller: Some(CallerNote {
            client: "claude".into(),
            client_claimed: None,
            groups: Vec::new(),
            id: "user:tanaka".into(),
            ip: None,
            kind: "user".into(),
            method: "access_token".into(),
            mfa: true,
            name: "田中 花子".into(),
            user_agent: None,
        }),
        correlation: CorrelationId::from_uuid(id),
        decision: None,
        detail: std::collections::BTreeMap::new(),
        duration_us: Some(1_234),
        event: EventKind::ToolCall,
        id,
        node: node.into(),
        outcome: Some(OutcomeNote {
            bytes: Some(10),
            code: None,
            digest: None,
            message: None,
            stage: None,
            status: OutcomeStatus::Success,
        }),
        phase: Phase::Single,
        target: Some(TargetNote {
            class: OperationClass::Read,
            classified: true,
            connector: "crm".into(),
            data_classes: Vec::new(),
            definition: None,
            environment: Environment::Production,
            kind: TargetKind::Tool,
            name: "find_customer".into(),
            resources: Vec::new(),
        }),
        time: at(i64::try_from(number).unwrap()),
        trace: None,
        v: RECORD_VERSION,
    }
}

pub(crate) fn row(sequence: u64, record: Record) -> IndexedRecord {
    IndexedRecord {
        node: record.node.clone(),
        sequence,
        text: serde_json::to_string(&record).unwrap(),
        record,
    }
}

/// The rows, which are of one node, as they are added to the index.
pub(crate) fn batch(rows: &[IndexedRecord]) -> AuditBatch {
    let node = rows.first().map_or("a", |row| &row.node);
    let mut batch = AuditBatch::new(node);
    for row in rows {
        assert_eq!(row.node, node);
        batch.push(row.sequence, row.text.clone()).unwrap();
    }
    batch
}

/// The number-th person, of the identity provider `entra`.
pub(crate) fn person(number: u128, user_name: &str) -> User {
    User {
        id: PrincipalId::of_user(Uuid::from_u128(number)).unwrap(),
        user_name: user_name.into(),
        display_name: format!("{user_name} 花子"),
        active: true,
        source: UserSource::Scim,
        provider: Some("entra".into()),
        external_id: Some(format!("object-{number}")),
        department: Some("営業部".into()),
        employment: None,
        country: Some("JP".into()),
        locale: Some("ja-JP".into()),
        emails: vec![format!("{user_name}@example.co.jp")],
        attributes: serde_json::json!({"title": "課長", "n": 1.5})
            .as_object()
            .unwrap()
            .clone(),
        version: 1,
        created_at: at(6),
        updated_at: at(6),
    }
}

/// The number-th group, of the identity provider `entra`.
pub(crate) fn group(number: u128, name: &str) -> Group {
    Group {
        id: GroupId::of_group(Uuid::from_u128(number)).unwrap(),
        name: GroupName::new(name).unwrap(),
        display_name: name.into(),
        provider: Some("entra".into()),
        external_id: None,
        attributes: serde_json::Map::new(),
        version: 1,
        created_at: at(7),
        updated_at: at(7),
    }
}

pub(crate) fn scim_token(id: &str, provider: &str) -> ScimToken {
    ScimToken {
        id: id.into(),
        provider: provider.into(),
        secret_digest: Digest::of(id.as_bytes()),
        networks: vec!["20.0.0.0/8".parse().unwrap()],
        created_by: "admin:root".into(),
        created_at: at(8),
        expires_at: at(1_000),
        revoked_at: None,
        last_used_at: None,
        awaits_confirmation: false,
    }
}
