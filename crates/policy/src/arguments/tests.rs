//! Rules on arguments, one by one (TOOL-2).

#![expect(clippy::needless_pass_by_value, reason = "test code")]

use jiff::Zoned;
use jiff::tz::{Offset, TimeZone};
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::constraint::{Constraints, ToolTag};
use serde_json::{Value, json};

use super::{
    CompiledConstraints, Told, Violation, check_against, check_review, mildest_class, suggest_tags,
};

fn now() -> Zoned {
    let moment: jiff::Timestamp = "2026-01-05T16:00:00Z".parse().unwrap();
    moment.to_zoned(TimeZone::fixed(Offset::constant(9)))
}

fn constraints(value: Value) -> Constraints {
    serde_json::from_value(value).unwrap()
}

/// One projection `p` at `/v`.
fn one(rule: Value) -> CompiledConstraints {
    let declared = json!({"projection": [{"name": "p", "pointers": ["/v"], "rule": rule}]});
    CompiledConstraints::compile(&constraints(declared)).unwrap()
}

fn read(compiled: &CompiledConstraints, value: Value) -> Result<Told, Violation> {
    compiled.project(&json!({"v": value}), &now())
}

fn passes(rule: &Value, values: &[Value]) {
    let compiled = one(rule.clone());
    for value in values {
        assert!(
            read(&compiled, value.clone()).is_ok(),
            "{rule} refuses {value}"
        );
    }
}

fn refuses(rule: &Value, values: &[Value]) {
    let compiled = one(rule.clone());
    for value in values {
        assert!(
            read(&compiled, value.clone()).is_err(),
            "{rule} passes {value}"
        );
    }
}

#[test]
fn whole_numbers() {
    let rule = json!({"kind": "integer", "min": 1, "max": 10});
    passes(&rule, &[json!(1), json!(10), json!(3.0)]);
    refuses(
        &rule,
        &[
            json!(0),
            json!(11),
            json!(1.5),
            json!("3"),
            json!(1e300),
            json!([1]),
        ],
    );
    let told = read(&one(rule), json!(7)).unwrap();
    assert_eq!(told.projections.numbers["p"], 7);
}

#[test]
fn amounts_are_counted_in_units_of_the_last_place() {
    let rule = json!({"kind": "decimal", "places": 2, "min": 0, "max": 50_000});
    passes(
        &rule,
        &[
            json!(500),
            json!(0.1),
            json!("12.50"),
            json!(12.500),
            json!("0"),
        ],
    );
    refuses(
        &rule,
        &[
            json!(500.01),
            json!(-1),
            json!("1e3"),
            json!("0.001"),
            json!("1,5"),
            json!(""),
            json!(1e30),
            json!("+1"),
            json!("1."),
            json!(null),
        ]
        .iter()
        .filter(|v| !v.is_null())
        .cloned()
        .collect::<Vec<_>>(),
    );
    let amount = |value| read(&one(rule.clone()), value).unwrap().projections.numbers["p"];
    assert_eq!(amount(json!(12.5)), 1_250);
    assert_eq!(amount(json!("12.05")), 1_205);
    let error = read(&one(rule.clone()), json!(501)).unwrap_err();
    let told = "argument /v breaks the rule p of this tool: at most 500.00";
    assert_eq!(error.to_string(), told);
}

#[test]
fn recipients_are_domains() {
    let rule =
        json!({"kind": "recipients", "domains": ["example.co.jp", "*.example.co.jp"], "max": 3});
    passes(
        &rule,
        &[
            json!("a@example.co.jp"),
            json!("Hanako <a@EXAMPLE.co.jp>, b@tokyo.example.co.jp"),
            json!(["a@example.co.jp", "b@example.co.jp"]),
        ],
    );
    refuses(
        &rule,
        &[
            json!("a@evil.example"),
            json!("a@notexample.co.jp"),
            json!("a@example.co.jp, b@evil.example"),
            json!("a@example.co.jp;b@evil.example"),
            json!("\"a@example.co.jp\" <b@evil.example>"),
            json!("a@example.co.jp <b@evil.example>"),
            json!("a@example.co.jp\nBcc: b@evil.example"),
            json!("a@evil.example@example.co.jp"),
            json!("a%evil.example@example.co.jp@x"),
            json!([
                "a@example.co.jp",
                "b@example.co.jp",
                "c@example.co.jp",
                "d@example.co.jp"
            ]),
            json!("hanako"),
            json!({"a": 1}),
            json!("a@ｅvil.example"),
            json!(""),
        ],
    );
    let told = read(&one(rule), json!("a@example.co.jp, b@example.co.jp")).unwrap();
    assert_eq!(
        told.projections.sets["p"],
        ["example.co.jp".to_owned()].into()
    );
}

#[test]
fn paths_stay_below_their_root() {
    let rule = json!({"kind": "path", "root": "/srv/shared"});
    passes(
        &rule,
        &[
            json!("/srv/shared/a.txt"),
            json!("/srv/shared"),
            json!("/srv/shared/b/"),
            json!("/srv/shared/見積.xlsx"),
        ],
    );
    refuses(
        &rule,
        &[
            json!("/srv/shared/../secret"),
            json!("/srv/sharedness/a"),
            json!("/srv/shared/./a"),
            json!("/srv//shared/a"),
            json!("srv/shared/a"),
            json!("/etc/passwd"),
            json!("/srv/shared/%2e%2e/x"),
            json!("/srv/shared\\..\\x"),
            json!("/srv/shared/a\u{0}"),
            json!("~/a"),
            json!("file:///srv/shared/a"),
            json!("/srv/shared/.. /x"),
        ],
    );
    let rule = json!({"kind": "path", "root": "projects/alpha"});
    passes(&rule, &[json!("projects/alpha/plan.md")]);
    refuses(
        &rule,
        &[
            json!("/projects/alpha/plan.md"),
            json!("projects/beta/plan.md"),
            json!("projects"),
        ],
    );
}

#[test]
fn hosts_dates_counts_and_flags() {
    let rule = json!({"kind": "host", "hosts": ["example.co.jp"]});
    passes(
        &rule,
        &[
            json!("https://example.co.jp/a"),
            json!("http://EXAMPLE.co.jp:8080"),
        ],
    );
    refuses(
        &rule,
        &[
            json!("https://example.co.jp@evil.example/"),
            json!("https://evil.example/example.co.jp"),
            json!("https://evil.example\\@example.co.jp"),
            json!("//example.co.jp"),
            json!("ftp://example.co.jp"),
            json!("https://example.co.jp.evil.example"),
        ],
    );
    // It is the 6th in Japan already.
    let rule = json!({"kind": "date", "past_days": 31, "future_days": 0});
    passes(
        &rule,
        &[
            json!("2026-01-06"),
            json!("2025-12-06"),
            json!("2026-01-05T23:00:00+09:00"),
            json!("2026-01-05T10:00:00"),
        ],
    );
    refuses(
        &rule,
        &[
            json!("2026-01-07"),
            json!("2025-12-05"),
            json!("yesterday"),
            json!("2026-02-30"),
            json!("2026-01-06T15:00:00Z"),
        ],
    );
    let days = read(&one(rule), json!("2026-01-01")).unwrap();
    assert_eq!(days.projections.numbers["p"], -5);
    let rule = json!({"kind": "count", "max": 2});
    passes(&rule, &[json!([]), json!([1, 2]), json!("all")]);
    refuses(&rule, &[json!([1, 2, 3]), json!({"a": 1, "b": 2, "c": 3})]);
    let rule = json!({"kind": "boolean", "only": false});
    passes(&rule, &[json!(false)]);
    refuses(&rule, &[json!(true), json!("false")]);
}

#[test]
fn texts_and_ids() {
    let rule = json!({"kind": "text", "pattern": "INV-[0-9]{6}"});
    passes(&rule, &[json!("INV-000123")]);
    refuses(
        &rule,
        &[
            json!("INV-1"),
            json!("xINV-000123"),
            json!("INV-000123\n"),
            json!(5),
        ],
    );
    let rule = json!({"kind": "text", "one_of": ["alpha", "beta"], "chars_max": 4});
    passes(&rule, &[json!("beta")]);
    refuses(&rule, &[json!("alpha"), json!("gamma")]);
    passes(
        &json!({"kind": "text", "one_of": ["17"]}),
        &[json!(17), json!("17")],
    );
}

#[test]
fn sql_by_verb_and_table() {
    let rule = json!({"kind": "sql", "verbs": ["select"], "tables": ["customer"]});
    passes(&rule, &[json!("SELECT * FROM customer")]);
    refuses(
        &rule,
        &[
            json!("DELETE FROM customer"),
            json!("SELECT * FROM salary"),
            json!("?"),
        ],
    );
    let told = read(&one(json!({"kind": "sql"})), json!("DELETE FROM customer")).unwrap();
    assert_eq!(told.projections.strings["p"], "delete");
    assert!(told.projections.booleans["pUnbounded"]);
    assert!(told.projections.sets["pTables"].contains("customer"));
}

#[test]
fn several_places_are_read_together() {
    let declared = constraints(json!({"projection": [{
        "name": "recipientDomains", "pointers": ["/to", "/cc/*/email"], "required": true,
        "rule": {"kind": "recipients"},
    }, {
        "name": "issue", "pointers": ["/issue/id"], "resource": true, "rule": {"kind": "text"},
    }]}));
    let compiled = CompiledConstraints::compile(&declared).unwrap();
    let arguments = json!({
        "to": "a@one.example", "cc": [{"email": "b@two.example"}, {"email": "c@ONE.example"}],
        "issue": {"id": 42},
    });
    let told = compiled.project(&arguments, &now()).unwrap();
    let domains: Vec<_> = told.projections.sets["recipientDomains"].iter().collect();
    assert_eq!(domains, ["one.example", "two.example"]);
    assert_eq!(told.projections.strings["issue"], "42");
    assert_eq!(told.resources, ["42".to_owned()].into());
    let missing = compiled.project(&json!({"to": null}), &now()).unwrap_err();
    assert_eq!(missing.pointer, "/to");
    // An item where a list is declared does not slip past.
    let odd = json!({"to": "a@one.example", "cc": {"x": {"email": "d@three.example"}}});
    let told = compiled.project(&odd, &now()).unwrap();
    assert!(told.projections.sets["recipientDomains"].contains("three.example"));
}

#[test]
fn tool_2_an_unknown_mode_counts_as_admin() {
    let declared = constraints(json!({"mode": {
        "pointer": "/action", "classes": {"list": "read", "remove": "delete"},
    }}));
    let mildest = mildest_class(declared.mode.as_ref().unwrap());
    assert_eq!(mildest, Some(OperationClass::Read));
    let definition = json!({"inputSchema": {"properties": {"action": {"type": "string"}}}});
    assert!(check_review(OperationClass::Read, &declared, &definition).is_ok());
    assert!(check_review(OperationClass::Delete, &declared, &definition).is_err());
    let compiled = CompiledConstraints::compile(&declared).unwrap();
    let class = |arguments: Value| compiled.class(&arguments, OperationClass::Read);
    assert_eq!(class(json!({"action": "list"})), OperationClass::Read);
    assert_eq!(class(json!({"action": "remove"})), OperationClass::Delete);
    for unknown in [
        json!({}),
        json!({"action": "LIST"}),
        json!({"action": null}),
        json!({"action": ["list"]}),
        json!({"action": "drop"}),
    ] {
        assert_eq!(class(unknown.clone()), OperationClass::Admin, "{unknown}");
    }
}

#[test]
fn what_is_declared_badly_is_not_saved() {
    for bad in [
        json!({"projection": [{"name": "Bad", "pointers": ["/v"], "rule": {"kind": "text"}}]}),
        json!({"projection": [{"name": "p", "pointers": ["v"], "rule": {"kind": "text"}}]}),
        json!({"projection": [{"name": "p", "pointers": [], "rule": {"kind": "text"}}]}),
        json!({"projection": [{"name": "p", "pointers": ["/v/*"], "rule": {"kind": "integer"}}]}),
        json!({"projection": [{"name": "p", "pointers": ["/v"], "rule": {"kind": "integer", "min": 2, "max": 1}}]}),
        json!({"projection": [{"name": "p", "pointers": ["/v"], "rule": {"kind": "path", "root": "/a/../b"}}]}),
        json!({"projection": [{"name": "p", "pointers": ["/v"], "rule": {"kind": "text", "pattern": "("}}]}),
        json!({"projection": [{"name": "p", "pointers": ["/v"], "rule": {"kind": "recipients", "domains": ["@x"]}}]}),
        json!({"projection": [{"name": "p", "pointers": ["/v"], "rule": {"kind": "decimal", "places": 9}}]}),
        json!({"projection": [
            {"name": "q", "pointers": ["/v"], "rule": {"kind": "sql"}},
            {"name": "qTables", "pointers": ["/w"], "rule": {"kind": "text"}},
        ]}),
        json!({"mode": {"pointer": "/a/*", "classes": {"x": "read"}}}),
        json!({"mode": {"pointer": "/a", "classes": {}}}),
    ] {
        assert!(
            CompiledConstraints::compile(&constraints(bad.clone())).is_err(),
            "{bad}"
        );
    }
    // Neither are unknown members: a misspelt bound would bound nothing.
    let misspelt = json!({"projection": [{"name": "p", "pointers": ["/v"], "rule": {"kind": "integer", "maximum": 1}}]});
    assert!(serde_json::from_value::<Constraints>(misspelt).is_err());
}

#[test]
fn tool_2_pointers_must_be_in_the_schema_of_the_tool() {
    let definition = json!({"name": "send", "inputSchema": {
        "type": "object",
        "properties": {
            "to": {"type": "array", "items": {"$ref": "#/$defs/address"}},
            "amount": {"type": "number"},
            "when": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "$defs": {"address": {"type": "object", "properties": {"email": {"type": "string"}}}},
    }});
    let check = |pointer: &str, rule: Value| {
        let declared = json!({"projection": [{"name": "p", "pointers": [pointer], "rule": rule}]});
        check_against(&constraints(declared), &definition)
    };
    assert_eq!(check("/to/*/email", json!({"kind": "recipients"})), Ok(()));
    assert_eq!(
        check("/amount", json!({"kind": "decimal", "places": 2})),
        Ok(())
    );
    assert_eq!(check("/when", json!({"kind": "date"})), Ok(()));
    assert!(check("/too", json!({"kind": "text"})).is_err());
    assert!(check("/to/*/mail", json!({"kind": "recipients"})).is_err());
    assert!(check("/amount", json!({"kind": "path", "root": "/a"})).is_err());
    let mode = json!({"mode": {"pointer": "/mode", "classes": {"a": "read"}}});
    assert!(check_against(&constraints(mode), &definition).is_err());
}

#[test]
fn definitions_suggest_tags() {
    let tags =
        |definition: Value| -> Vec<ToolTag> { suggest_tags(&definition).into_iter().collect() };
    assert_eq!(tags(json!({"name": "sendEmail"})), [ToolTag::SendsMail]);
    assert_eq!(
        tags(json!({"name": "run_query", "inputSchema": {"properties": {"sql": {}}}})),
        [ToolTag::RunsSql]
    );
    assert_eq!(
        tags(json!({"name": "x", "description": "請求書の支払いを行う"})),
        [ToolTag::Payment]
    );
    assert_eq!(
        tags(json!({"name": "read_email", "annotations": {"readOnlyHint": true}})),
        []
    );
    assert_eq!(
        tags(json!({"name": "find_customer", "description": "Finds a customer"})),
        []
    );
}
