//! `sekimori audit sinks`: how far others were told.

use sekimori_audit::sinks::lag;
use serde::Serialize;

use crate::cli::Common;
use crate::installation::Installation;
use crate::output::{self, Output};

#[derive(Debug, Serialize)]
struct Sink {
    name: String,
    kind: Option<crate::config::sinks::SinkKind>,
    to: Option<String>,
    node: String,
    delivered: u64,
    lag: Option<u64>,
    delivered_at: Option<String>,
    dead_letters: u64,
    problem: Option<String>,
}

pub(crate) async fn sinks(common: &Common, output: Output) -> anyhow::Result<()> {
    let installation = Installation::open(common).await?;
    let config = &installation.config;
    let journal = config.server.data_dir.join("journal");
    let states = installation.store.audit_sinks().list().await?;
    let mut sinks = Vec::new();
    for one in &config.audit.sinks {
        let own = |state: &&sekimori_store::SinkState| {
            state.name == one.name && state.node == config.server.node
        };
        let state = states.iter().find(own);
        let cursor = state.map_or(0, |state| state.cursor);
        sinks.push(Sink {
            name: one.name.clone(),
            kind: Some(one.kind),
            to: Some(one.to.clone()),
            node: config.server.node.clone(),
            delivered: cursor,
            lag: lag(&journal, cursor).ok(),
            delivered_at: state.and_then(|state| Some(state.delivered_at?.to_string())),
            dead_letters: state.map_or(0, |state| state.dead_letters),
            problem: state.and_then(|state| state.problem.clone()),
        });
    }
    let known = |state: &&sekimori_store::SinkState| {
        state.name != sekimori_audit::ALERT_CURSOR
            && !sinks
                .iter()
                .any(|sink| sink.name == state.name && sink.node == state.node)
    };
    let others: Vec<_> = states.iter().filter(known).map(other).collect();
    sinks.extend(others);
    output.show(&sinks, |sinks| {
        if sinks.is_empty() {
            return "Nobody else is told: there is no [[audit.sinks]] in the configuration."
                .to_owned();
        }
        let dash = || "-".to_owned();
        let rows: Vec<Vec<String>> = sinks
            .iter()
            .map(|sink| {
                vec![
                    sink.name.clone(),
                    sink.node.clone(),
                    sink.to.clone().unwrap_or_else(dash),
                    sink.delivered.to_string(),
                    sink.lag.map_or_else(dash, |lag| lag.to_string()),
                    sink.dead_letters.to_string(),
                    sink.problem.clone().unwrap_or_else(|| "none".to_owned()),
                ]
            })
            .collect();
        output::table(
            &[
                "SINK",
                "NODE",
                "TO",
                "DELIVERED",
                "LAG",
                "REFUSED",
                "PROBLEM",
            ],
            &rows,
        )
    })
}

/// A sink of another node, or one that is configured no more.
fn other(state: &sekimori_store::SinkState) -> Sink {
    Sink {
        name: state.name.clone(),
        kind: None,
        to: None,
        node: state.node.clone(),
        delivered: state.cursor,
        lag: None,
        delivered_at: state.delivered_at.map(|at| at.to_string()),
        dead_letters: state.dead_letters,
        problem: state.problem.clone(),
    }
}
