//! What a text of SQL does, by parsing it. What can't be parsed, or would be read in another way by another
//! database, is refused.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Delete, Expr, ObjectName, Query, SetExpr, Statement as Parsed, Visit, Visitor,
    visit_expressions,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

/// Longest text.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Most operators and keywords: each may add a level of depth to what is walked recursively.
const OPERATORS_MAX: usize = 200;
/// Deepest nesting for the parser.
const DEPTH_MAX: usize = 25;

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// The verb, in lower case; of nested statements the most dangerous one.
    pub(super) verb: String,
    /// The tables it names, in lower case.
    pub(super) tables: BTreeSet<String>,
    /// Whether it changes or removes rows without saying which.
    pub(super) unbounded: bool,
}

/// Reads one statement, or says what would be allowed.
pub(super) fn read(text: &str) -> Result<Statement, String> {
    let plain = "one plain SQL statement is needed".to_owned();
    // MySQL runs such comments and takes \' for a quote inside a text; others don't.
    let two_readings = ["/*!", "/*+", "\\'", "\\\"", "\0"];
    if text.len() > TEXT_BYTES_MAX || two_readings.iter().any(|odd| text.contains(odd)) {
        return Err(plain);
    }
    let dialect = GenericDialect {};
    let tokens = Tokenizer::new(&dialect, text)
        .tokenize()
        .map_err(|_| plain.clone())?;
    if tokens.iter().filter(|token| adds_depth(token)).count() > OPERATORS_MAX {
        return Err(format!("at most {OPERATORS_MAX} operators and keywords"));
    }
    let statements = Parser::new(&dialect)
        .with_recursion_limit(DEPTH_MAX)
        .with_tokens(tokens)
        .parse_statements()
        .map_err(|_| plain.clone())?;
    let [statement] = statements.as_slice() else {
        return Err(plain);
    };
    let mut found = Found::default();
    let ControlFlow::Continue(()) = statement.visit(&mut found);
    let (_, verb) = found.verbs.into_iter().max().ok_or(plain)?;
    Ok(Statement {
        verb,
        tables: found.tables,
        unbounded: found.unbounded,
    })
}

fn adds_depth(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        Token::Comma
        | Token::LParen
        | Token::RParen
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Whitespace(_)
        | Token::SemiColon
        | Token::Period
        | Token::EOF => false,
        _ => true,
    }
}

#[derive(Default)]
struct Found {
    /// How dangerous, and the verb.
    verbs: BTreeSet<(u8, String)>,
    tables: BTreeSet<String>,
    unbounded: bool,
}

impl Found {
    fn verb(&mut self, danger: u8, verb: &str) {
        self.verbs.insert((danger, verb.to_owned()));
    }
}

impl Visitor for Found {
    type Break = std::convert::Infallible;

    fn pre_visit_statement(&mut self, statement: &Parsed) -> ControlFlow<Self::Break> {
        match statement {
            Parsed::Query(_) => self.verb(0, "select"),
            Parsed::Insert(_) => self.verb(1, "insert"),
            Parsed::Update(update) => {
                self.verb(2, "update");
                self.unbounded |= is_unbounded(update.selection.as_ref());
            }
            Parsed::Delete(delete) => {
                self.verb(3, "delete");
                self.unbounded |= is_unbounded(delete_selection(delete));
            }
            other => {
                let text = other.to_string();
                let verb = text.split_whitespace().next().unwrap_or("unknown");
                let verb = verb.to_ascii_lowercase();
                let looks = ["explain", "describe", "desc", "show"].contains(&verb.as_str());
                self.unbounded |= ["truncate", "drop"].contains(&verb.as_str());
                self.verb(if looks { 0 } else { 4 }, &verb);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        // SELECT … INTO makes a table; FOR UPDATE locks rows.
        if let SetExpr::Select(select) = &*query.body
            && select.into.is_some()
        {
            self.verb(4, "create");
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Self::Break> {
        let parts: Vec<String> = relation
            .0
            .iter()
            .map(|part| match part.as_ident() {
                Some(ident) => ident.value.to_lowercase(),
                None => part.to_string().to_lowercase(),
            })
            .collect();
        self.tables.insert(parts.join("."));
        ControlFlow::Continue(())
    }
}

fn delete_selection(delete: &Delete) -> Option<&Expr> {
    delete.selection.as_ref()
}

/// Whether a condition is missing, or says nothing about the rows (`1 = 1`).
fn is_unbounded(selection: Option<&Expr>) -> bool {
    let Some(selection) = selection else {
        return true;
    };
    let names_a_column = visit_expressions(selection, |expression| match expression {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    names_a_column.is_continue()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(text: &str) -> String {
        read(text).unwrap().verb
    }

    #[test]
    fn tool_2_the_verb_is_found_by_parsing() {
        assert_eq!(verb("select * from customer -- delete from x"), "select");
        assert_eq!(verb("/* hi */ DELETE FROM customer WHERE id = 1"), "delete");
        assert_eq!(verb("insert into a values ('drop table x')"), "insert");
        assert_eq!(verb("drop table customer"), "drop");
        assert_eq!(verb("explain select 1"), "select");
        assert_eq!(verb("truncate table customer"), "truncate");
        assert_eq!(verb("select * into copy from customer"), "create");
        assert_eq!(verb("explain analyze delete from customer"), "delete");
        let hidden = "with gone as (delete from customer returning *) select * from gone";
        assert_eq!(verb(hidden), "delete");
        assert_eq!(verb("grant all on customer to public"), "grant");
    }

    #[test]
    fn tool_1_changes_of_every_row_are_seen() {
        for all in [
            "delete from customer",
            "update customer set a = 1",
            "delete from customer where 1 = 1",
            "update customer set a = b where true",
            "truncate table customer",
            "with x as (delete from customer returning *) select 1",
        ] {
            assert!(read(all).unwrap().unbounded, "{all}");
        }
        for some in [
            "delete from customer where id = 5",
            "update customer set a = 1 where customer.id in (1, 2)",
            "select * from customer",
        ] {
            assert!(!read(some).unwrap().unbounded, "{some}");
        }
    }

    #[test]
    fn tables_are_named() {
        let statement =
            read("select * from Sales.Customer c join \"Order\" o on c.id = o.c").unwrap();
        let tables: Vec<&str> = statement.tables.iter().map(String::as_str).collect();
        assert_eq!(tables, ["order", "sales.customer"]);
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for bad in [
            "",
            ";",
            "select 1; drop table x",
            "selec 1",
            "select '\\'; drop table x; --'",
            "select /*! sleep(5) */ 1",
            "select 1 union",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    /// Neither the parser nor the walk may end the process.
    #[test]
    fn deep_statements_are_refused_or_read() {
        let plus = format!("select 1{}", " + 1".repeat(OPERATORS_MAX - 1));
        assert_eq!(verb(&plus), "select");
        for deep in [
            format!("select 1{}", " + 1".repeat(20_000)),
            format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000)),
            format!("select {}1", "- ".repeat(20_000)),
            format!("select 1{}", " union select 1".repeat(4_000)),
            format!("select a{}", "[1]".repeat(4_000)),
        ] {
            assert!(read(&deep).is_err());
        }
    }
}
