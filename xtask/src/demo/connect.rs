//! How to connect clients to the running demo.

use super::MACHINE;
use super::company::Company;
use crate::gate::Gate;
use crate::run::root;
use crate::setup::node;
use crate::ui::note;

/// Prints what to type or paste, with the demo's own addresses and key.
pub(super) fn explain(gate: &Gate, company: &Company, key: &str) {
    let url = gate.url();
    let inspector = root().join(
        "tests/clients/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js",
    );
    note(format_args!(
        r#"
The gate keeps serving at {url}. AI clients need that address and nothing else: they open the browser,
where you sign in with the company account (choose Hanako) and let the client in.

The console: {console}
  Sign in as the administrator, the auditor or the approver; the company's provider lets you choose.

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
        node = node().display(),
        inspector = inspector.display(),
        console = gate.console_url(),
        files = gate.connector_url("files"),
        gate_url = gate.base_url(),
        provider = company.url(),
        machine = MACHINE,
    ));
}
