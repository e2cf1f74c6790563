//! Something of everything in the control plane.

use std::sync::Arc;
use std::time::Duration;

use sekimori_admin::PromotionDesk;
use sekimori_audit::note;
use sekimori_domain::Timestamp;
use sekimori_domain::catalog::{Environment, OperationClass, Review, Target, TargetKind, Tool};
use sekimori_domain::constraint::Constraints;
use sekimori_domain::digest::Digest;
use sekimori_domain::false_alarm::FalseAlarm;
use sekimori_domain::identity_provider::Awaiting;
use sekimori_domain::ids::{
    ApprovalId, ClientId, ConnectorName, CorrelationId, LimitName, PrincipalId, SessionId,
};
use sekimori_domain::inspection::{Conversation, FlowLabel, InspectionDictionary, LabelSource};
use sekimori_domain::kill_switch::StopScope;
use sekimori_domain::limit::{Bound, Limit};
use sekimori_domain::linked_account::LinkedAccount;
use sekimori_domain::oauth::{Grant, GrantKind};
use sekimori_domain::person::{User, UserSource};
use sekimori_domain::policy_set::PolicyContent;
use sekimori_domain::promotion::Word;
use sekimori_domain::record::{DecisionNote, EventKind, OutcomeStatus};
use sekimori_domain::retention::{OrderAct, OrderKind, OrderStep, RetentionOrder, Selection};
use sekimori_domain::saved_search::{SavedSearch, SearchFilter};
use sekimori_gateway::kill_switch::{EngagedBy, NewKillSwitch};
use sekimori_identity::scim::{NewScimToken, create_scim_token};
use sekimori_inspect::Terms;
use sekimori_policy::{FACTS, default_policies};
use sekimori_store::{
    AuditQuery, BrowserSession, Definition, Expected, NewInspectionRules, SessionProof,
};
use serde_json::json;

use crate::approvals;
use crate::harness::Plane;

/// Something of everything, to be looked at and changed.
pub(crate) struct World {
    pub(crate) user: PrincipalId,
    pub(crate) session: SessionId,
    pub(crate) grant: String,
    pub(crate) key: String,
    pub(crate) scim_token: String,
    pub(crate) unconfirmed: String,
    pub(crate) conversation: String,
    pub(crate) definition: String,
    pub(crate) alert: uuid::Uuid,
    pub(crate) kill_switch: String,
    pub(crate) end: String,
    pub(crate) approvals: Vec<ApprovalId>,
    pub(crate) notice: String,
    pub(crate) false_alarms: Vec<String>,
}

/// Somebody else asked for two holds and a deletion; the deletion is in force.
async fn orders(plane: &Plane) {
    let step = |act, by: &str| OrderStep {
        act,
        by: by.to_owned(),
        at: plane.control.clock.now(),
        note: "case 12".to_owned(),
    };
    let selection = Selection {
        user: Some("user:gone".to_owned()),
        ..Selection::default()
    };
    let stored = plane.control.store.retention_orders();
    for (id, kind) in [
        ("hold-1", OrderKind::Hold),
        ("hold-2", OrderKind::Hold),
        ("deletion", OrderKind::Deletion),
    ] {
        let propose = step(OrderAct::Propose, "user:author");
        let order = RetentionOrder::propose(id.to_owned(), kind, selection.clone(), propose);
        let mut order = order.unwrap();
        stored.add(&order).await.unwrap();
        if kind == OrderKind::Deletion {
            order.step(step(OrderAct::Agree, "user:second")).unwrap();
            stored.advance(&order).await.unwrap();
        }
    }
}

/// Somebody else set up an identity provider and the SCIM token whose id this is; neither counts yet.
async fn unconfirmed(plane: &Plane) -> String {
    let control = &plane.control;
    let maker = "user:author".to_owned();
    let awaiting = Awaiting {
        by: maker.clone(),
        since: control.clock.now(),
        before: None,
    };
    let provider = json!({
        "name": "proposed", "kind": "oidc", "issuer": "https://idp.proposed.example", "client_id": "gate",
    });
    let provider = serde_json::from_value(provider).unwrap();
    let providers = control.store.identity_providers();
    let put = providers.put(&provider, Some(&awaiting), Expected::Absent);
    put.await.unwrap();
    let token = NewScimToken {
        provider: "proposed".to_owned(),
        networks: Vec::new(),
        created_by: maker,
        expires_at: control.clock.now() + Duration::from_hours(1),
        awaits_confirmation: true,
    };
    let tokens = control.store.scim_tokens();
    let made = create_scim_token(&*tokens, &*control.clock, &*control.random, token).await;
    made.unwrap().token.id
}

fn session(
    id: &uuid::Uuid,
    user: &PrincipalId,
    now: Timestamp,
    later: Timestamp,
) -> BrowserSession {
    BrowserSession {
        id: SessionId::from_uuid(*id),
        cookie_digest: Digest::of(b"a cookie"),
        user: user.clone(),
        device: Digest::of(b"a browser"),
        idp: "corporate".to_owned(),
        idp_session: None,
        idp_subject: "hanako".to_owned(),
        proof: SessionProof {
            auth_time: now,
            acr: None,
            amr: vec!["pwd".to_owned()],
            mfa_at: None,
            ip: None,
            user_agent: Some("Firefox".to_owned()),
            id_token: None,
        },
        created_at: now,
        last_seen_at: now,
        expires_at: later,
        revoked_at: None,
    }
}

fn grant(user: &PrincipalId, now: Timestamp, later: Timestamp) -> Grant {
    Grant {
        id: "gr_1".to_owned(),
        kind: GrantKind::Consent,
        subject: user.clone(),
        client: "https://client.example/meta.json".parse().unwrap(),
        document: None,
        redirect_uri: None,
        resource: "https://gate.example/mcp".to_owned(),
        scopes: vec!["mcp:read".to_owned()],
        session: None,
        sign_in: None,
        created_at: now,
        expires_at: later,
        last_used_at: None,
        revoked_at: None,
    }
}

/// A search that the administrator keeps.
async fn saved_search(plane: &Plane) {
    let search = SavedSearch {
        id: "search-1".to_owned(),
        name: "refused".to_owned(),
        owner: "admin:test".to_owned(),
        shared: true,
        filter: SearchFilter::default(),
        saved_at: plane.control.clock.now(),
    };
    let searches = plane.control.store.saved_searches();
    searches.put(&search).await.unwrap();
}

/// A limit, and a kill switch whose id this is.
async fn limits(plane: &Plane) -> String {
    let control = &plane.control;
    let old = Limit {
        name: LimitName::new("old").unwrap(),
        who: None,
        what: None,
        bound: Bound::Daily { count: 100 },
        set_by: "admin:test".to_owned(),
        set_at: control.clock.now(),
    };
    control.store.limits().put(&old).await.unwrap();
    let kill_switch = NewKillSwitch {
        scope: StopScope::all(),
        reason: "a test".to_owned(),
        contact: None,
        ends_at: None,
        by: EngagedBy::Principal("admin:test".to_owned()),
        drill: false,
    };
    let engaged = control.kill_switches.engage(kill_switch).await;
    engaged.unwrap().id
}

impl World {
    /// Puts it into the store of a plane.
    #[expect(clippy::too_many_lines, reason = "one of everything")]
    pub(crate) async fn make(plane: &Plane) -> Self {
        let control = &plane.control;
        let now = control.clock.now();
        let later = now + Duration::from_hours(1);
        let user = PrincipalId::of_user(control.ids.next()).unwrap();
        control
            .store
            .people()
            .create_user(&person(&user, "hanako", now))
            .await
            .unwrap();
        let opened = session(&control.ids.next(), &user, now, later);
        let session = opened.id.clone();
        control.store.sessions().create(&opened).await.unwrap();
        let grant = grant(&user, now, later);
        let oauth = control.store.oauth();
        oauth.create_grant(&grant, None, None).await.unwrap();
        let provider = json!({
            "name": "corporate", "kind": "oidc", "issuer": "https://idp.example",
            "client_id": "gate", "client_secret": {"value": "hunter2"},
        });
        let provider = serde_json::from_value(provider).unwrap();
        let providers = control.store.identity_providers();
        providers
            .put(&provider, None, Expected::Absent)
            .await
            .unwrap();
        let silent = json!({
            "name": "silent", "kind": "oidc", "issuer": "http://127.0.0.1:9", "client_id": "gate",
        });
        let silent = serde_json::from_value(silent).unwrap();
        providers
            .put(&silent, None, Expected::Absent)
            .await
            .unwrap();
        let scim = NewScimToken {
            provider: "entra".to_owned(),
            networks: Vec::new(),
            created_by: "admin:test".to_owned(),
            expires_at: later,
            awaits_confirmation: false,
        };
        let tokens = control.store.scim_tokens();
        let scim = create_scim_token(&*tokens, &*control.clock, &*control.random, scim)
            .await
            .unwrap();
        let unconfirmed = unconfirmed(plane).await;
        let old = InspectionDictionary {
            id: "old".to_owned(),
            kind: "COMPANY_TERM".to_owned(),
            entries: 0,
            digest: Digest::of(b""),
            author: "test".to_owned(),
            updated_at: now,
        };
        let packed = Terms::default().pack();
        let dictionaries = control.store.dictionaries();
        dictionaries.put(&old, &packed).await.unwrap();
        let rules = NewInspectionRules {
            text: String::new(),
            author: "admin:test".to_owned(),
            created_at: now,
        };
        control
            .store
            .inspection_rules()
            .append(&rules)
            .await
            .unwrap();
        let client = ClientId::new("assistant").unwrap();
        let mut conversation = Conversation::of(&user, &client, None);
        let source = LabelSource {
            connector: ConnectorName::new("crm").unwrap(),
            at: now,
        };
        conversation.labels.insert(FlowLabel::Confidential, source);
        conversation.updated_at = now;
        conversation.expires_at = later;
        let conversations = control.store.conversations();
        conversations.add(&conversation).await.unwrap();
        policies(plane).await;
        reviewed_tool(plane).await;
        let definition = add_tool(plane).await;
        let text = plane.service_key("batch", &["employee"]).await;
        let key = text.split('_').nth(1).unwrap().to_owned();
        let kill_switch = limits(plane).await;
        orders(plane).await;
        promotions(plane).await;
        saved_search(plane).await;
        let mut approvals = Vec::new();
        for amount in 0..5 {
            approvals.push(approvals::waiting(plane, json!({ "amount": amount })).await);
        }
        let notices = plane.control.store.approval_notices();
        let notice = notices.given_up(1).await.unwrap()[0].id.to_string();
        Self {
            user,
            session,
            grant: grant.id,
            key,
            scim_token: scim.token.id,
            unconfirmed,
            conversation: conversation.id,
            definition,
            alert: raise_alert(plane).await,
            kill_switch,
            end: later.to_string(),
            approvals,
            notice,
            false_alarms: false_alarms(plane).await,
        }
    }
}

/// Version 1 was in force, version 2 with a role is, and version 3 is agreed to; all by somebody else.
async fn policies(plane: &Plane) {
    let (desk, now) = (&plane.control.desk, plane.control.clock.now());
    let clerk = json!({"name": "clerk", "grants": [
        {"classes": ["read", "create"]},
        {"classes": ["update"], "environments": ["development"]},
    ]});
    let with_role = PolicyContent {
        roles: vec![serde_json::from_value(clerk).unwrap()],
        ..default_policies()
    };
    for content in [default_policies(), with_role.clone(), with_role] {
        let saved = desk.save(content, "user:author", now).await.unwrap();
        let version = saved.version;
        desk.decide(version, true, "user:second", "", now)
            .await
            .unwrap();
        if version < 3 {
            desk.activate(version, "user:author", now).await.unwrap();
        }
    }
}

/// A tool that somebody has classified.
async fn reviewed_tool(plane: &Plane) {
    let (store, now) = (&plane.control.store, plane.control.clock.now());
    let target = Target {
        connector: "bank".parse().unwrap(),
        kind: TargetKind::Tool,
        name: "pay".to_owned(),
    };
    let raw = r#"{"name":"pay","inputSchema":{"type":"object","properties":{"amount":{"type":"number"}}}}"#;
    let digest = Digest::of(raw.as_bytes());
    let seen = Definition {
        target: target.clone(),
        digest,
        raw: raw.to_owned(),
    };
    store.reviews().see(&[seen], now).await.unwrap();
    let review = Review {
        class: OperationClass::Create,
        idempotent: false,
        accepted: Vec::new(),
        data_classes: Vec::new(),
        definition: digest,
        reviewer: "user:author".to_owned(),
        reviewed_at: now,
        constraints: Constraints::default(),
    };
    store.reviews().put(&target, &review).await.unwrap();
}

/// An alert that nobody looked at.
/// The request of an administrator in which inspection blocked something.
pub(crate) const INSPECTED: &str = "00000000-0000-7000-8000-000000000001";

/// A recorded call in which inspection blocked a telephone number, and two reports that it was none.
async fn false_alarms(plane: &Plane) -> Vec<String> {
    let control = &plane.control;
    let correlation: CorrelationId = serde_json::from_value(json!(INSPECTED)).unwrap();
    let open = control
        .audit
        .open(EventKind::ToolCall, correlation, None)
        .unwrap();
    open.caller_note(
        serde_json::from_value(json!({
            "client": "assistant", "id": "admin:test", "kind": "local_administrator",
            "method": "local_administrator", "mfa": false, "name": "test",
        }))
        .unwrap(),
    );
    open.target(&Tool {
        target: Target {
            connector: "crm".parse().unwrap(),
            kind: TargetKind::Tool,
            name: "update_customer".to_owned(),
        },
        class: OperationClass::Update,
        classified: true,
        idempotent: false,
        data_classes: Vec::new(),
        environment: Environment::Production,
        tags: Vec::new(),
        definition: None,
    });
    open.decision(DecisionNote {
        effect: "allow".to_owned(),
        policies: Vec::new(),
        version: 1,
    });
    open.detail(
        FACTS,
        json!({ "now": control.clock.now(), "client_kind": "local", "issuer": "sekimori" }),
    );
    open.detail(
        "inspection",
        json!({ "rules": 1, "findings": [{
            "direction": "input", "type": "PHONE", "class": "personal", "count": 1, "confidence": 80,
            "detector": 1, "action": "block", "rule": "phones",
        }] }),
    );
    open.close(note::ended(OutcomeStatus::Refused))
        .await
        .unwrap();
    let mut ids = Vec::new();
    for number in 0..2 {
        let alarm: FalseAlarm = serde_json::from_value(json!({
            "id": control.ids.next(), "correlation": format!("request {number}"),
            "by": "user:hanako", "at": control.clock.now(), "connector": "crm",
            "tool": "update_customer", "note": "型番です", "state": "open",
            "alarmed": [{ "type": "PHONE", "direction": "input", "action": "block", "count": 1 }],
        }))
        .unwrap();
        control.store.false_alarms().add(&alarm).await.unwrap();
        ids.push(alarm.id);
    }
    ids
}

async fn raise_alert(plane: &Plane) -> uuid::Uuid {
    let control = &plane.control;
    let id = CorrelationId::from_uuid(control.ids.next());
    let detail = [("rule".to_owned(), json!("mass-writes"))].into();
    let audit = &control.audit;
    audit.note(EventKind::AlertRaise, id, detail).await.unwrap();
    let query = AuditQuery {
        event: Some(EventKind::AlertRaise),
        ..AuditQuery::default()
    };
    audit.search(&query).await.unwrap().records[0].record.id
}

/// Connectors of one system in two environments, and somebody else's proposals to make the second like the first.
async fn promotions(plane: &Plane) {
    let (store, now) = (&plane.control.store, plane.control.clock.now());
    for (name, environment, timeout) in [("hr-dev", "development", 30), ("hr-stg", "staging", 60)] {
        let connector = json!({
            "name": name, "title": "人事", "created_at": now, "environment": environment,
            "timeout_seconds": timeout,
            "transport": { "kind": "http", "url": format!("https://{name}.example.co.jp/mcp") },
        });
        let connector = serde_json::from_value(connector).unwrap();
        store
            .connectors()
            .put(&connector, Expected::Absent)
            .await
            .unwrap();
    }
    let desk = PromotionDesk {
        store: Arc::clone(store),
    };
    for id in ["promotion-1", "promotion-2"] {
        let said = Word {
            by: "user:author".to_owned(),
            at: now,
            note: "two weeks of trial".to_owned(),
        };
        let (from, to) = ("hr-dev".parse().unwrap(), "hr-stg".parse().unwrap());
        desk.propose(id.to_owned(), &from, &to, said).await.unwrap();
    }
}

/// A connector with one tool, which was seen and not reviewed. Returns the digest of its definition.
async fn add_tool(plane: &Plane) -> String {
    let now = plane.control.clock.now();
    let name: ConnectorName = "crm".parse().unwrap();
    let connector = json!({
        "name": name, "title": "顧客管理", "created_at": now,
        "transport": {
            "kind": "http", "url": "https://crm.example.co.jp/mcp",
            "headers": {"Authorization": {"env": "CRM_TOKEN"}},
        },
    });
    let connector = serde_json::from_value(connector).unwrap();
    let connectors = plane.control.store.connectors();
    connectors.put(&connector, Expected::Absent).await.unwrap();
    let old = json!({
        "name": "old", "title": "旧システム", "created_at": now, "enabled": false,
        "transport": {"kind": "stdio", "command": "mcp-server-old", "env": {"TENANT": {"value": "7"}}},
    });
    let old = serde_json::from_value(old).unwrap();
    connectors.put(&old, Expected::Absent).await.unwrap();
    let account = LinkedAccount {
        connector: name.clone(),
        owner: None,
        issuer: "https://login.example".to_owned(),
        resource: "https://crm.example.co.jp/mcp".to_owned(),
        origin: "https://crm.example.co.jp".to_owned(),
        scopes: vec!["read".to_owned()],
        wanted: Vec::new(),
        expires_at: None,
        sealed: "sealed".to_owned(),
        linked_by: PrincipalId::new("usr_admin").unwrap(),
        linked_at: plane.control.clock.now(),
        problem: None,
    };
    let accounts = plane.control.store.linked_accounts();
    accounts.put(&account, None).await.unwrap();
    let raw = json!({
        "name": "update_customer", "description": "Changes a customer's address",
        "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true},
    });
    let definition = Definition {
        target: Target {
            connector: name,
            kind: TargetKind::Tool,
            name: "update_customer".to_owned(),
        },
        digest: Digest::of(raw.to_string().as_bytes()),
        raw: raw.to_string(),
    };
    let digest = definition.digest.hex();
    let reviews = plane.control.store.reviews();
    reviews.see(&[definition], now).await.unwrap();
    digest
}

pub(crate) fn person(id: &PrincipalId, name: &str, now: Timestamp) -> User {
    User {
        id: id.clone(),
        user_name: format!("{name}@example.co.jp"),
        display_name: name.to_owned(),
        active: true,
        source: UserSource::Scim,
        provider: Some("entra".to_owned()),
        external_id: None,
        department: Some("営業部".to_owned()),
        employment: None,
        country: None,
        locale: None,
        emails: vec![format!("{name}@example.co.jp")],
        attributes: serde_json::Map::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    }
}
