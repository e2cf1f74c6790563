//! What is recorded of a change of a connector, by whichever way it is made.

use sekimori_domain::connector::Connector;
use serde_json::{Value, json};

/// The details of the record. Where the connector leads to and what it may hold; never the value of a header.
pub fn connector_told(action: &str, connector: &Connector) -> [(&'static str, Value); 8] {
    let credentials = connector.transport.credentials();
    [
        ("connector", json!(connector.name)),
        ("action", json!(action)),
        ("transport", json!(connector.transport.kind())),
        ("environment", json!(connector.environment)),
        ("exposure", json!(connector.exposure())),
        ("trust", json!(connector.trust())),
        ("enabled", json!(connector.enabled)),
        ("credentials", json!(credentials.keys().collect::<Vec<_>>())),
    ]
}
