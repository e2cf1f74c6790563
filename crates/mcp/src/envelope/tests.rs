use proptest::prelude::*;

use super::*;

fn one(text: &str) -> Message {
    parse_one(text.as_bytes()).unwrap()
}

fn rule(text: &str) -> EnvelopeError {
    parse_one(text.as_bytes()).unwrap_err()
}

#[test]
fn content_stays_as_it_came() {
    let text = r#"{"jsonrpc":"2.0","id":"a/1","method":"tools/call","params":{"z":1.50,"a":123456789012345678901234567890,"\u00e9":"\u00e9","x":{"_y":null}}}"#;
    let message = one(text);
    assert!(matches!(&message, Message::Request { id, method, .. }
            if id.as_json() == "\"a/1\"" && method == "tools/call"));
    assert_eq!(message.to_bytes(), text.as_bytes());
}

#[test]
fn ids_keep_kind_and_spelling() {
    for id in ["\"7\"", "7", "-3", "12345678901234567890123"] {
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}");
        assert_eq!(one(&text).to_bytes(), text.as_bytes());
    }
    for id in ["null", "1.5", "1e3", "true", "[1]", "{}"] {
        let error = rule(&format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}"
        ));
        assert_eq!((error.code(), error.id), (-32600, None), "{id}");
    }
    let escaped = one(r#"{"jsonrpc":"2.0","id":"\u0061","method":"ping"}"#);
    assert!(matches!(escaped, Message::Request { id, .. } if id == Id::string("a")));
}

#[test]
fn tells_requests_notifications_and_answers_apart() {
    assert!(matches!(
        one(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#),
        Message::Notification {
            params: Some(_),
            ..
        }
    ));
    assert!(matches!(
        one(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        Message::Response {
            id: Some(_),
            reply: Reply::Result(_)
        }
    ));
    assert!(matches!(
        one(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"m","data":{"x":1}}}"#),
        Message::Response {
            id: None,
            reply: Reply::Error(_)
        }
    ));
}

#[test]
fn errors_know_code_and_id() {
    let cases = [
        ("{", -32700, false),
        (
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#,
            -32700,
            false,
        ),
        ("[]", -32600, false),
        ("3", -32600, false),
        (r#"{"id":1,"method":"m"}"#, -32600, true),
        (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, -32600, true),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600, true),
        (r#"{"jsonrpc":"2.0","id":1,"method":3}"#, -32600, true),
        (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, -32600, true),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}"#,
            -32600,
            true,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#,
            -32600,
            true,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"m","result":{}}"#,
            -32600,
            true,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"result":5}"#, -32600, true),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#,
            -32600,
            true,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#, -32600, true),
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"m"}}"#,
            -32600,
            true,
        ),
        (r#"{"jsonrpc":"2.0","result":{}}"#, -32600, false),
    ];
    for (text, code, has_id) in cases {
        let error = rule(text);
        assert_eq!(
            (error.code(), error.id.is_some()),
            (code, has_id),
            "{text}: {error}"
        );
    }
}

#[test]
fn batches_are_judged_message_by_message() {
    let text = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"id":2,"method":"ping"}]"#;
    let Ok(Incoming::Batch(items)) = parse(text.as_bytes()) else {
        panic!("not a batch");
    };
    assert!(items[0].is_ok());
    assert_eq!(items[1].as_ref().unwrap_err().id, Some(Id::number(2)));
    assert_eq!(parse_one(text.as_bytes()).unwrap_err().code(), -32600);

    let message = r#"{"jsonrpc":"2.0","method":"m"}"#;
    let long = format!("[{}]", vec![message; BATCH_MESSAGES_MAX + 1].join(","));
    assert_eq!(parse(long.as_bytes()).unwrap_err().code(), -32600);
}

#[test]
fn hostile_depth_and_size_are_errors() {
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{}",
        "{\"a\":".repeat(10_000)
    );
    assert_eq!(rule(&deep).code(), -32700);
    let id = "a".repeat(ID_BYTES_MAX);
    assert!(
        parse_one(format!("{{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"method\":\"m\"}}").as_bytes())
            .is_err()
    );
    let method = "m".repeat(METHOD_BYTES_MAX + 1);
    assert!(
        parse_one(format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\"}}").as_bytes()).is_err()
    );
}

#[test]
fn odd_method_names_are_written_as_json() {
    let written = notification("a\"b\\\n", None);
    assert!(
        matches!(parse_one(&written), Ok(Message::Notification { method, .. }) if method == "a\"b\\\n")
    );
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(fuzz_envelope(&bytes));
    }

    /// Text that looks like messages, cut, doubled and mixed.
    #[test]
    fn near_messages(parts in proptest::collection::vec(proptest::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"jsonrpc\":\"2.0\"", "\"id\":1", "\"id\":\"\\u0061\"", "\"id\":null",
        "\"method\":\"tools/call\"", "\"params\":{}", "\"params\":{\"a\":[1,2]}", "\"result\":{}", "\"result\":null",
        "\"error\":{\"code\":-1,\"message\":\"m\"}", " ", "\"x\":0",
    ]), 0..14)) {
        prop_assert!(fuzz_envelope(parts.concat().as_bytes()));
        let inner = parts.join(",");
        let object = ["{", &inner, "}"].concat();
        prop_assert!(fuzz_envelope(object.as_bytes()));
    }

    #[test]
    fn written_messages_read_back(method in "\\PC{1,60}", id in "\\PC{0,60}", key in "\\PC{0,20}", n in any::<i64>()) {
        let params = serde_json::value::to_raw_value(&serde_json::json!({ key: n })).unwrap();
        let written = request(&Id::string(&id), &method, Some(&params));
        let read = parse_one(&written).unwrap();
        prop_assert_eq!(read.to_bytes(), written);
    }
}
