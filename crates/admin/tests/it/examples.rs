//! An example of each operation that changes something.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::approvals;
use crate::world::World;

impl World {
    /// For each operation that changes something: the path, and the body if it takes one.
    pub(crate) fn examples(&self) -> BTreeMap<&'static str, (String, Option<Value>)> {
        let accounts = "/api/v1/service-accounts";
        let users = format!("/api/v1/users/{}", self.user);
        let clients = "/api/v1/clients/https%3A%2F%2Fclient.example%2Fmeta.json";
        let client = json!({
            "name": "Internal agent", "redirect_uris": ["https://agent.example.co.jp/callback"],
        });
        let account = json!({
            "name": "nightly", "owner": "hanako@example.co.jp", "purpose": "nightly report",
            "groups": ["employee"], "environments": ["production"], "networks": ["10.0.0.0/8"],
            "expires_at": self.end,
        });
        let key = json!({"expires_at": self.end});
        let mut examples = BTreeMap::from([
            ("createServiceAccount", (accounts.to_owned(), Some(account))),
            (
                "suspendServiceAccount",
                (format!("{accounts}/batch/suspend"), None),
            ),
            (
                "resumeServiceAccount",
                (format!("{accounts}/batch/resume"), None),
            ),
            (
                "createServiceKey",
                (format!("{accounts}/batch/keys"), Some(key)),
            ),
            (
                "revokeServiceKey",
                (format!("{accounts}/batch/keys/{}", self.key), None),
            ),
            ("createClient", ("/api/v1/clients".to_owned(), Some(client))),
            ("approveClient", (format!("{clients}/approve"), None)),
            ("denyClient", (format!("{clients}/deny"), None)),
            ("deactivateUser", (format!("{users}/deactivate"), None)),
            ("activateUser", (format!("{users}/activate"), None)),
            ("endAccessOfUser", (format!("{users}/end-access"), None)),
            (
                "revokeSession",
                (format!("/api/v1/sessions/{}", self.session), None),
            ),
            (
                "acceptFalseAlarm",
                (
                    format!("/api/v1/false-alarms/{}/accept", self.false_alarms[0]),
                    Some(json!({"reason": "a part number"})),
                ),
            ),
            (
                "rejectFalseAlarm",
                (
                    format!("/api/v1/false-alarms/{}/reject", self.false_alarms[1]),
                    Some(json!({"reason": "it is a telephone number"})),
                ),
            ),
            (
                "declassifyConversation",
                (format!("/api/v1/conversations/{}", self.conversation), None),
            ),
            (
                "unlinkAccount",
                ("/api/v1/connectors/crm/accounts/gate".to_owned(), None),
            ),
            (
                "revokeGrant",
                (format!("/api/v1/grants/{}", self.grant), None),
            ),
        ]);
        examples.extend(self.examples_of_sources());
        examples.extend(self.examples_of_safeguards());
        examples.extend(Self::examples_of_policies());
        examples.extend(approvals::examples(self));
        examples.extend(Self::examples_of_retention());
        examples.extend(Self::examples_of_promotions());
        examples
    }

    /// Of where people come from.
    fn examples_of_sources(&self) -> BTreeMap<&'static str, (String, Option<Value>)> {
        let providers = "/api/v1/identity-providers";
        let provider = json!({
            "kind": "oidc", "issuer": "https://idp.partner.example", "client_id": "gate",
            "client_secret": {"env": "SEKIMORI_SECRET_PARTNER"},
        });
        let scim = json!({"provider": "entra", "expires_at": self.end});
        BTreeMap::from([
            (
                "createScimToken",
                ("/api/v1/scim-tokens".to_owned(), Some(scim)),
            ),
            (
                "confirmScimToken",
                (
                    format!("/api/v1/scim-tokens/{}/confirm", self.unconfirmed),
                    None,
                ),
            ),
            (
                "revokeScimToken",
                (format!("/api/v1/scim-tokens/{}", self.scim_token), None),
            ),
            (
                "putIdentityProvider",
                (format!("{providers}/partner"), Some(provider)),
            ),
            (
                "checkIdentityProvider",
                (format!("{providers}/silent/check"), None),
            ),
            (
                "confirmIdentityProvider",
                (format!("{providers}/proposed/confirm"), None),
            ),
            (
                "removeIdentityProvider",
                (format!("{providers}/corporate"), None),
            ),
        ])
    }

    #[expect(clippy::too_many_lines, reason = "a list of examples")]
    fn examples_of_safeguards(&self) -> BTreeMap<&'static str, (String, Option<Value>)> {
        let review = json!({
            "class": "update", "data_classes": ["personal"], "definition": self.definition,
        });
        let limit = json!({
            "who": {"kind": "user"}, "bound": {"kind": "rate", "count": 60, "per_seconds": 60},
        });
        let stop = json!({
            "scope": {"kind": "connector", "id": "crm"}, "reason": "wrong deletions",
            "contact": "security@example.co.jp", "ends_at": self.end,
        });
        BTreeMap::from([
            (
                "acknowledgeAlert",
                (
                    format!("/api/v1/alerts/{}/acknowledge", self.alert),
                    Some(json!({"reason": "month-end closing"})),
                ),
            ),
            (
                "reviewTool",
                (
                    "/api/v1/connectors/crm/tools/update_customer/review".to_owned(),
                    Some(review),
                ),
            ),
            (
                "putConnector",
                (
                    "/api/v1/connectors/wiki".to_owned(),
                    Some(json!({
                        "title": "社内 Wiki", "data_classes": ["internal"],
                        "transport": {
                            "kind": "http", "url": "https://wiki.example.co.jp/mcp",
                            "headers": {"Authorization": {"env": "SEKIMORI_SECRET_WIKI"}},
                        },
                    })),
                ),
            ),
            (
                "removeConnector",
                ("/api/v1/connectors/old".to_owned(), None),
            ),
            (
                "rehearseCall",
                (
                    "/api/v1/connectors/crm/tools/update_customer/rehearse".to_owned(),
                    Some(json!({"user": self.user, "arguments": {"id": 7}})),
                ),
            ),
            (
                "refreshConnector",
                ("/api/v1/connectors/crm/refresh".to_owned(), None),
            ),
            (
                "setLimit",
                ("/api/v1/limits/per-user".to_owned(), Some(limit)),
            ),
            (
                "saveSearch",
                (
                    "/api/v1/saved-searches".to_owned(),
                    Some(
                        json!({"name": "深夜の削除", "filter": {"class": "delete", "period": "7d"}}),
                    ),
                ),
            ),
            (
                "changeSavedSearch",
                (
                    "/api/v1/saved-searches/search-1".to_owned(),
                    Some(
                        json!({"name": "refused", "shared": true, "filter": {"outcome": "refused"}}),
                    ),
                ),
            ),
            (
                "removeSavedSearch",
                ("/api/v1/saved-searches/search-1".to_owned(), None),
            ),
            ("removeLimit", ("/api/v1/limits/old".to_owned(), None)),
            (
                "engageKillSwitch",
                ("/api/v1/kill-switches".to_owned(), Some(stop)),
            ),
            (
                "releaseKillSwitch",
                (
                    format!("/api/v1/kill-switches/{}/release", self.kill_switch),
                    None,
                ),
            ),
            (
                "drillKillSwitch",
                ("/api/v1/kill-switches/drill".to_owned(), None),
            ),
            (
                "saveInspectionRules",
                (
                    "/api/v1/inspection-rules".to_owned(),
                    Some(json!({"text": "[settings]\nnotice = \"情報システム部へ\"\n"})),
                ),
            ),
            (
                "activateInspectionRules",
                ("/api/v1/inspection-rules/1/activate".to_owned(), None),
            ),
            (
                "putInspectionDictionary",
                (
                    "/api/v1/inspection-dictionaries/projects".to_owned(),
                    Some(json!({"type": "PROJECT_NAME", "words": ["北極星計画"]})),
                ),
            ),
            (
                "removeInspectionDictionary",
                ("/api/v1/inspection-dictionaries/old".to_owned(), None),
            ),
            (
                "inspect",
                (
                    "/api/v1/inspect".to_owned(),
                    Some(json!({"text": "電話は03-1234-5678です"})),
                ),
            ),
        ])
    }

    fn examples_of_retention() -> BTreeMap<&'static str, (String, Option<Value>)> {
        let orders = "/api/v1/retention-orders";
        let order = json!({
            "kind": "hold", "selection": {"user": "user:gone"}, "reason": "case 13",
        });
        let word = json!({"note": "looked at it"});
        BTreeMap::from([
            ("proposeRetentionOrder", (orders.to_owned(), Some(order))),
            (
                "agreeToRetentionOrder",
                (format!("{orders}/hold-1/agree"), Some(word.clone())),
            ),
            (
                "refuseRetentionOrder",
                (format!("{orders}/hold-2/refuse"), Some(word.clone())),
            ),
            (
                "releaseRetentionOrder",
                (format!("{orders}/deletion/release"), Some(word)),
            ),
        ])
    }

    fn examples_of_promotions() -> BTreeMap<&'static str, (String, Option<Value>)> {
        let promotions = "/api/v1/promotions";
        let new = json!({"from": "hr-dev", "to": "hr-stg", "reason": "two weeks of trial"});
        let roles = json!({
            "from": "development", "to": "staging", "connectors": {"hr-dev": "hr-stg"},
        });
        let word = json!({"note": "looked at it"});
        BTreeMap::from([
            ("proposePromotion", (promotions.to_owned(), Some(new))),
            (
                "agreeToPromotion",
                (
                    format!("{promotions}/promotion-1/agree"),
                    Some(word.clone()),
                ),
            ),
            (
                "refusePromotion",
                (format!("{promotions}/promotion-2/refuse"), Some(word)),
            ),
            ("promoteRoles", (format!("{promotions}/roles"), Some(roles))),
        ])
    }

    fn examples_of_policies() -> BTreeMap<&'static str, (String, Option<Value>)> {
        let versions = "/api/v1/policies";
        let word = json!({"note": "looked at it"});
        let text = json!({"text": "@id(\"all\") permit(principal, action, resource);"});
        let role = json!({"name": "clerk", "grants": [{"classes": ["read"]}]});
        let rules = json!({"tags": ["payment"]});
        BTreeMap::from([
            (
                "checkPolicies",
                (format!("{versions}/check"), Some(text.clone())),
            ),
            ("draftPolicies", (versions.to_owned(), Some(text))),
            (
                "approvePolicies",
                (format!("{versions}/3/approve"), Some(word.clone())),
            ),
            (
                "rejectPolicies",
                (format!("{versions}/3/reject"), Some(word)),
            ),
            ("tryPolicies", (format!("{versions}/3/log-only"), None)),
            (
                "endTrialOfPolicies",
                (format!("{versions}/3/log-only"), None),
            ),
            ("activatePolicies", (format!("{versions}/3/activate"), None)),
            ("rollBackPolicies", (format!("{versions}/rollback"), None)),
            (
                "putRole",
                ("/api/v1/roles/clerk?base=2".to_owned(), Some(role)),
            ),
            (
                "removeRole",
                ("/api/v1/roles/clerk?base=2".to_owned(), None),
            ),
            (
                "putGuardRails",
                (
                    "/api/v1/guard-rails".to_owned(),
                    Some(json!({"off": [], "internal_domains": ["example.co.jp"]})),
                ),
            ),
            (
                "putConstraints",
                (
                    "/api/v1/connectors/bank/tools/pay/constraints".to_owned(),
                    Some(rules),
                ),
            ),
        ])
    }
}
