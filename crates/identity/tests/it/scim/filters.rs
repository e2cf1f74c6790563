//! The grammar of filters and paths.

use proptest::prelude::*;
use sekimori_identity::scim::{AttributePath, Filter, Literal, Operator, PatchPath, fuzz_filter};

use super::error;

fn name() -> impl Strategy<Value = String> {
    "[$]?[a-zA-Z][a-zA-Z0-9_-]{0,6}".prop_filter("words of the grammar", |name| {
        !["not", "and", "or", "pr"].contains(&name.to_lowercase().as_str())
    })
}

fn path() -> impl Strategy<Value = AttributePath> {
    let urn = prop::option::of("urn:[a-z]{1,5}:[0-9]\\.[0-9]:[A-Z][a-z]{0,5}");
    (urn, name(), prop::option::of(name())).prop_map(|(urn, name, part)| AttributePath {
        urn,
        name,
        part,
    })
}

fn operator() -> impl Strategy<Value = Operator> {
    use Operator::{Co, Eq, Ew, Ge, Gt, Le, Lt, Ne, Sw};
    prop::sample::select(vec![Eq, Ne, Co, Sw, Ew, Gt, Ge, Lt, Le])
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        any::<i64>().prop_map(|number| Literal::Number(number.into())),
        "\\PC{0,12}".prop_map(Literal::Text),
        ".{0,6}".prop_map(Literal::Text),
    ]
}

fn term() -> impl Strategy<Value = Filter> {
    prop_oneof![
        (path(), operator(), literal())
            .prop_map(|(path, operator, literal)| Filter::Compare(path, operator, literal)),
        path().prop_map(Filter::Present),
    ]
}

fn tree(leaf: BoxedStrategy<Filter>) -> BoxedStrategy<Filter> {
    leaf.prop_recursive(3, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Filter::Not(Box::new(one))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner, 2..4).prop_map(Filter::Or),
        ]
    })
    .boxed()
}

fn filter() -> impl Strategy<Value = Filter> {
    let values = (path(), tree(term().boxed()))
        .prop_map(|(path, inner)| Filter::Values(path, Box::new(inner)));
    tree(prop_oneof![3 => term(), 1 => values].boxed())
}

proptest! {
    #[test]
    fn what_is_written_reads_back(filter in filter()) {
        let text = filter.to_string();
        prop_assert_eq!(Filter::parse(&text), Ok(filter), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        prop_assert!(fuzz_filter(&text));
    }

    #[test]
    fn near_misses_are_read_or_refused(text in r#"(a|urn:b:C|\.|\[|\]|\(|\)|not| and | or | eq | pr|"|\\|null|-1e3| ){0,16}"#) {
        prop_assert!(fuzz_filter(&text));
    }
}

#[test]
fn and_binds_tighter_than_or() {
    let parsed = Filter::parse("a pr or b pr and c pr or not (d pr)").unwrap();
    assert_eq!(parsed.to_string(), "a pr or (b pr and c pr) or not (d pr)");
    let Filter::Or(all) = parsed else {
        panic!("{parsed}")
    };
    assert_eq!(all.len(), 3);
}

#[test]
fn what_breaks_the_grammar_is_refused() {
    for text in [
        "",
        " ",
        "a",
        "a eq",
        "a eq ",
        "a eq b",
        "a pr b",
        "(a pr",
        "a pr)",
        "a pr and",
        "a pr andb pr",
        "a pr and  ",
        "not a pr",
        "not",
        "a[b pr",
        "a[b pr]]",
        "a[b[c pr]]",
        "a[]",
        "a eq \"",
        "a eq \"\\\"",
        "a eq \"\\x\"",
        "a eq 01",
        "a eq --1",
        "1a pr",
        "a..b pr",
        "a. pr",
        ".a pr",
        "a.b.c pr",
        "urn: pr",
        "x:a pr",
        "a\tpr",
        "a eq 'b'",
        "a\u{3000}pr",
        "and pr or",
        "a eq\"b\"",
    ] {
        assert_eq!(
            error(Filter::parse(text)),
            (400, "invalidFilter"),
            "{text:?}"
        );
    }
    for text in [
        "",
        "a[b pr].",
        "a[b pr].c.d",
        "a.b[c pr]",
        "a b",
        "a[b pr] ]",
        "[a pr]",
    ] {
        assert_eq!(
            error(PatchPath::parse(text)),
            (400, "invalidPath"),
            "{text:?}"
        );
    }
}

/// Whoever sends brackets by the thousand gets no stack overflow, and nobody's time.
#[test]
fn filters_are_bounded() {
    let deep = format!("{}a pr{}", "(".repeat(3_000), ")".repeat(3_000));
    assert_eq!(error(Filter::parse(&deep)), (400, "invalidFilter"));
    let nots = format!("{}a pr{}", "not (".repeat(50), ")".repeat(50));
    assert_eq!(error(Filter::parse(&nots)), (400, "invalidFilter"));
    let long = vec!["a pr"; 201].join(" or ");
    assert_eq!(error(Filter::parse(&long)), (400, "invalidFilter"));
    assert!(Filter::parse(&vec!["a pr"; 200].join(" or ")).is_ok());
    let text = format!("a eq \"{}\"", "x".repeat(9_000));
    assert_eq!(error(Filter::parse(&text)), (400, "invalidFilter"));
    let fits = format!("{}a pr{}", "(".repeat(16), ")".repeat(16));
    assert!(Filter::parse(&fits).is_ok());
}
