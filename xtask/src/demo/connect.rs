//! How to connect clients to the running demo.

use super::MACHINE;
use super::company::{Company, PEOPLE};
use crate::gate::Gate;
use crate::run::root;
use crate::setup::node;
use crate::ui::note;

/// Prints what to type or paste, with the demo's own addresses and key.
pub(super) fn explain(gate: &Gate, company: &Company, key: &str) {
    let url = gate.url();
    let people = PEOPLE.map(|(_, name, _)| name);
    let inspector = root().join(
        "tests/clients/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js",
    );
    note(format_args!(
        r#"
The console: {console}
  Choose Kawasemi Trading, and then who you are: {people}.

The gate keeps serving at {url}. AI clients need that address and nothing else: they open the browser,
where you sign in with the company account (choose 鈴木 華子) and let the client in.

Claude Code
  claude mcp add --transport http sekimori {url}
  then /mcp → sekimori → authenticate

VS Code (.vscode/mcp.json)
  {{ "servers": {{ "sekimori": {{ "type": "http", "url": "{url}" }} }} }}

MCP Inspector, on the command line; open the address that it prints
  {node} {inspector} --cli {url} --transport http --method tools/list

In the browser alone: {gate_url}/connections shows what you are connected to, and takes it away.
The company's identity provider is at {provider}; it asks for no password.

Programs that no person sits in front of use a key ({machine}); it is for this demo only, and gone with .demo:
  Authorization: Bearer {key}

One connector alone, with its own names: {files}

Stop with Ctrl-C."#,
        console = gate.console_url(),
        people = people.join(", "),
        node = node().display(),
        inspector = inspector.display(),
        files = gate.connector_url("files"),
        gate_url = gate.base_url(),
        provider = company.url(),
        machine = MACHINE,
    ));
}
