//! How to connect clients to the running demo.

use super::company::PEOPLE;
use crate::gate::Gate;
use crate::run::root;
use crate::setup::node;
use crate::ui::note;

/// Prints what to type or paste, with the demo's own address and key.
pub(super) fn explain(gate: &Gate, key: &str) {
    let url = gate.url();
    let people = PEOPLE.map(|(_, title, _, _)| title);
    let inspector = root().join(
        "tests/clients/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js",
    );
    note(format_args!(
        r#"
The console: {console}
  Choose the demo company, and then who you are: {people}.

The gate keeps serving at {url}. Its key is for this demo only; it is gone with .demo.

Claude Code
  claude mcp add --transport http sekimori {url} --header "Authorization: Bearer {key}"

VS Code (.vscode/mcp.json)
  {{ "servers": {{ "sekimori": {{ "type": "http", "url": "{url}",
      "headers": {{ "Authorization": "Bearer {key}" }} }} }} }}

MCP Inspector, on the command line
  {node} {inspector} --cli {url} --transport http \
    --header "Authorization: Bearer {key}" --method tools/list

One connector alone, with its own names: {files}

Stop with Ctrl-C."#,
        console = gate.console_url(),
        people = people.join(", "),
        node = node().display(),
        inspector = inspector.display(),
        files = gate.connector_url("files"),
    ));
}
