//! What people may set up as a connector: what any connector must be like, and what may be set up from afar.

use http::{HeaderName, Uri};
use sekimori_domain::connector::{Connector, OAuthClient, SecretRef, Transport};

use crate::egress::HostPattern;

/// Where the address is in the settings.
const URL: &str = "transport/url";
/// Longest name for people to read.
const TITLE_CHARS_MAX: usize = 200;
/// Longest address, program, folder, argument, value, or place of a secret.
const TEXT_BYTES_MAX: usize = 4_096;
/// Most headers, variables or arguments.
const ENTRIES_MAX: usize = 64;
/// Most data classes.
const DATA_CLASSES_MAX: usize = 32;
/// Longest time of one call.
const TIMEOUT_SECONDS_MAX: u32 = 3_600;
/// Longest time between two looks at what it offers.
const REFRESH_SECONDS_MAX: u32 = 86_400;
/// Headers that the gate sets itself, or that are about one connection.
const OWN_HEADERS: [&str; 10] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "transfer-encoding",
];
/// What the names of headers and variables have in them whose values are secrets.
const SECRET_NAMES: [&str; 8] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "pass",
    "secret",
    "token",
    "uri",
];

/// A connector that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {rule}")]
pub struct InvalidConnector {
    /// Which part, as a path: `transport/url`.
    pub what: String,
    /// What would be right.
    pub rule: &'static str,
}

fn wrong(what: impl Into<String>, rule: &'static str) -> InvalidConnector {
    let what = what.into();
    InvalidConnector { what, rule }
}

fn ensure(fine: bool, what: impl Into<String>, rule: &'static str) -> Result<(), InvalidConnector> {
    if fine { Ok(()) } else { Err(wrong(what, rule)) }
}

fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.contains(['\0', '\n', '\r'])
}

/// Checks what a person entered, whoever it was. Nobody is asked.
pub fn check_connector(connector: &Connector) -> Result<(), InvalidConnector> {
    let title = connector.title.trim();
    ensure(
        !title.is_empty() && title.chars().count() <= TITLE_CHARS_MAX,
        "title",
        "use 1 to 200 characters",
    )?;
    ensure(
        (1..=TIMEOUT_SECONDS_MAX).contains(&connector.timeout_seconds),
        "timeout_seconds",
        "use 1 to 3600",
    )?;
    ensure(
        (1..=REFRESH_SECONDS_MAX).contains(&connector.refresh_seconds),
        "refresh_seconds",
        "use 1 to 86400",
    )?;
    ensure(
        connector.data_classes.len() <= DATA_CLASSES_MAX,
        "data_classes",
        "use 32 at most",
    )?;
    match &connector.transport {
        Transport::Http { url, headers, .. } | Transport::Sse { url, headers, .. } => {
            destination(url, URL)?;
            for name in headers.keys() {
                let what = || format!("transport/headers/{name}");
                let known = HeaderName::try_from(name.as_str());
                let known = known.map_err(|_| wrong(what(), "this is no name of a header"))?;
                ensure(
                    !OWN_HEADERS.contains(&known.as_str()),
                    what(),
                    "the gate sets this header itself",
                )?;
            }
        }
        Transport::Stdio {
            command,
            args,
            env,
            cwd,
            memory_mib_max,
        } => {
            ensure(is_text(command), "transport/command", "name a program")?;
            let long = |arg: &String| arg.len() > TEXT_BYTES_MAX || arg.contains('\0');
            ensure(
                args.len() <= ENTRIES_MAX && !args.iter().any(long),
                "transport/args",
                "use 64 arguments at most, of 4096 bytes at most",
            )?;
            for name in env.keys() {
                ensure(
                    is_text(name) && !name.contains('='),
                    format!("transport/env/{name}"),
                    "this is no name of a variable",
                )?;
            }
            ensure(
                cwd.as_deref().is_none_or(is_text),
                "transport/cwd",
                "name a folder",
            )?;
            ensure(
                *memory_mib_max != Some(0),
                "transport/memory_mib_max",
                "use 1 or more",
            )?;
        }
    }
    let credentials = connector.transport.credentials();
    ensure(
        credentials.len() <= ENTRIES_MAX,
        "transport",
        "use 64 headers or variables at most",
    )?;
    for (name, value) in credentials {
        check_reference(value, place(connector, name))?;
    }
    connector.oauth.as_ref().map_or(Ok(()), |oauth| {
        check_oauth(oauth, matches!(connector.transport, Transport::Http { .. }))
    })
}

fn check_reference(value: &SecretRef, what: impl Into<String>) -> Result<(), InvalidConnector> {
    let text = match value {
        SecretRef::Value(text) | SecretRef::Env(text) | SecretRef::File(text) => text,
    };
    ensure(is_text(text), what, "use 1 to 4096 bytes in one line")
}

fn check_oauth(oauth: &OAuthClient, over_http: bool) -> Result<(), InvalidConnector> {
    ensure(
        over_http,
        "oauth",
        "only what is reached over streamable HTTP can be protected by OAuth",
    )?;
    if let Some(issuer) = &oauth.issuer {
        destination(issuer, "oauth/issuer")?;
    }
    for (name, secret) in secrets_of(oauth) {
        check_reference(secret, format!("oauth/{name}"))?;
    }
    ensure(
        oauth.scopes.len() <= ENTRIES_MAX,
        "oauth/scopes",
        "use 64 at most",
    )
}

/// What proves the gate as a client.
fn secrets_of(oauth: &OAuthClient) -> impl Iterator<Item = (&'static str, &SecretRef)> {
    let named = [
        ("client_secret", &oauth.client_secret),
        ("private_key", &oauth.private_key),
    ];
    named
        .into_iter()
        .filter_map(|(name, secret)| Some((name, secret.as_ref()?)))
}

/// Where a header or variable is in the settings.
fn place(connector: &Connector, name: &str) -> String {
    match connector.transport {
        Transport::Stdio { .. } => format!("transport/env/{name}"),
        Transport::Http { .. } | Transport::Sse { .. } => format!("transport/headers/{name}"),
    }
}

/// Host and port of an address.
fn destination(url: &str, what: &str) -> Result<(String, u16), InvalidConnector> {
    let rule = "use http://host/path or https://host/path, without user and fragment";
    let refuse = || wrong(what, rule);
    let uri: Uri = url.parse().map_err(|_| refuse())?;
    let default_port = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") => 80,
        _ => return Err(refuse()),
    };
    if url.len() > TEXT_BYTES_MAX || url.contains(['#', '@']) {
        return Err(refuse());
    }
    let host = uri.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(refuse)?;
    Ok((host.to_owned(), uri.port_u16().unwrap_or(default_port)))
}

/// What a connector may use that is set up from afar: over the API or in the console. Whoever sets one up by command
/// may start programs and read secrets on this machine anyhow; who looks after the gate in a browser may not.
#[derive(Debug, Clone, Default)]
pub struct RemoteSetup {
    /// Hosts that may be called; any if there are none.
    pub hosts: Vec<HostPattern>,
    /// Programs that may be started, with whatever arguments and variables.
    pub programs: Vec<String>,
    /// Environment variables of the gate whose values may be used; those that begin with it where it ends with `*`.
    pub variables: Vec<String>,
    /// Folder whose files may be used.
    pub secrets_folder: Option<String>,
}

impl RemoteSetup {
    /// Checks how a connector is to be reached. Nothing is asked of one that is reached as `before`.
    pub fn check(
        &self,
        connector: &Connector,
        before: Option<&Connector>,
    ) -> Result<(), InvalidConnector> {
        let transport = &connector.transport;
        let same =
            |before: &Connector| before.transport == *transport && before.oauth == connector.oauth;
        if before.is_some_and(same) {
            return Ok(());
        }
        match transport {
            Transport::Http { url, .. } | Transport::Sse { url, .. } => {
                self.check_host(url, URL)?;
            }
            Transport::Stdio { command, cwd, .. } => {
                ensure(
                    self.programs.contains(command),
                    "transport/command",
                    "this program is not in connectors.api_programs of the configuration file",
                )?;
                ensure(
                    cwd.is_none(),
                    "transport/cwd",
                    "a working folder is set by command only",
                )?;
            }
        }
        for (name, value) in transport.credentials() {
            self.check_credential(name, value)
                .map_err(|rule| wrong(place(connector, name), rule))?;
        }
        let Some(oauth) = &connector.oauth else {
            return Ok(());
        };
        if let Some(issuer) = &oauth.issuer {
            self.check_host(issuer, "oauth/issuer")?;
        }
        for (name, secret) in secrets_of(oauth) {
            self.check_credential(name, secret)
                .map_err(|rule| wrong(format!("oauth/{name}"), rule))?;
        }
        Ok(())
    }

    fn check_host(&self, url: &str, what: &str) -> Result<(), InvalidConnector> {
        let (host, port) = destination(url, what)?;
        let listed = self.hosts.iter().any(|one| one.matches(&host, port));
        ensure(
            self.hosts.is_empty() || listed,
            what,
            "this host is not in egress.allow of the configuration file",
        )
    }

    fn check_credential(&self, name: &str, value: &SecretRef) -> Result<(), &'static str> {
        match value {
            SecretRef::Value(_) => {
                let name = name.to_ascii_lowercase();
                let secret = SECRET_NAMES.iter().any(|part| name.contains(part));
                if secret {
                    return Err("name the variable or the file that holds it, not the value");
                }
                Ok(())
            }
            reference => self.check_secret(reference),
        }
    }

    /// Checks where the gate is told to read a secret from: otherwise whoever names both a variable and a host has
    /// the gate send the one to the other. A value says nothing of this machine.
    ///
    /// # Errors
    ///
    /// The rule that it breaks.
    pub fn check_secret(&self, secret: &SecretRef) -> Result<(), &'static str> {
        match secret {
            SecretRef::Value(_) => Ok(()),
            SecretRef::Env(variable) => {
                let fits = |pattern: &String| match pattern.strip_suffix('*') {
                    Some(start) => variable.starts_with(start),
                    None => variable == pattern,
                };
                if self.variables.iter().any(fits) {
                    return Ok(());
                }
                Err("this variable is not in connectors.api_variables of the configuration file")
            }
            SecretRef::File(path) => {
                let below = self.secrets_folder.as_deref().and_then(|folder| {
                    let rest = path.strip_prefix(folder.trim_end_matches('/'))?;
                    rest.strip_prefix('/')
                });
                let plain = |part: &str| !matches!(part, "" | "." | "..");
                if below.is_some_and(|rest| rest.split('/').all(plain)) {
                    return Ok(());
                }
                Err("this file is not in connectors.api_secrets_folder of the configuration file")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn connector(transport: &Value) -> Connector {
        let whole = json!({
            "name": "crm", "title": "CRM", "transport": transport,
            "created_at": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(whole).unwrap()
    }

    fn at(url: &str) -> Connector {
        connector(&json!({"kind": "http", "url": url}))
    }

    fn setup() -> RemoteSetup {
        RemoteSetup {
            hosts: vec!["*.example.co.jp".parse().unwrap()],
            programs: vec!["mcp-server-git".to_owned()],
            variables: vec!["SEKIMORI_SECRET_*".to_owned(), "CRM_TOKEN".to_owned()],
            secrets_folder: Some("/run/secrets/".to_owned()),
        }
    }

    #[test]
    fn what_people_enter_is_checked() {
        assert_eq!(
            check_connector(&at("https://crm.example.co.jp/mcp")),
            Ok(())
        );
        for url in [
            "",
            "crm",
            "ftp://a/b",
            "https:///mcp",
            "https://user@a/mcp",
            "https://a/mcp#x",
        ] {
            let refused = check_connector(&at(url)).unwrap_err();
            assert_eq!(refused.what, "transport/url", "{url}");
        }
        for (member, value, what) in [
            ("title", json!(" "), "title"),
            ("timeout_seconds", json!(0), "timeout_seconds"),
            ("refresh_seconds", json!(86_401), "refresh_seconds"),
        ] {
            let mut whole = json!(at("https://a/mcp"));
            whole[member] = value;
            let read: Connector = serde_json::from_value(whole).unwrap();
            assert_eq!(check_connector(&read).unwrap_err().what, what);
        }
        for (transport, what) in [
            (
                json!({"kind": "http", "url": "https://a/", "headers": {"Host": {"value": "b"}}}),
                "transport/headers/Host",
            ),
            (
                json!({"kind": "http", "url": "https://a/", "headers": {"X-A": {"value": "b\r\nc: d"}}}),
                "transport/headers/X-A",
            ),
            (json!({"kind": "stdio", "command": ""}), "transport/command"),
            (
                json!({"kind": "stdio", "command": "x", "env": {"A=B": {"value": "c"}}}),
                "transport/env/A=B",
            ),
        ] {
            let refused = check_connector(&connector(&transport)).unwrap_err();
            assert_eq!(refused.what, what);
        }
    }

    #[test]
    fn from_afar_only_what_is_listed_can_be_used() {
        let fine = [
            json!({"kind": "http", "url": "https://crm.example.co.jp/mcp",
                   "headers": {"Authorization": {"env": "SEKIMORI_SECRET_CRM"}, "X-Tenant": {"value": "7"}}}),
            json!({"kind": "sse", "url": "https://crm.example.co.jp/sse",
                   "headers": {"X-Api-Key": {"file": "/run/secrets/crm/key"}}}),
            json!({"kind": "stdio", "command": "mcp-server-git", "args": ["--repository", "/srv/x"],
                   "env": {"GIT_TOKEN": {"env": "CRM_TOKEN"}}}),
        ];
        for transport in fine {
            assert_eq!(setup().check(&connector(&transport), None), Ok(()));
        }
        let refused = [
            (
                json!({"kind": "http", "url": "https://elsewhere.example/mcp"}),
                "transport/url",
            ),
            (
                json!({"kind": "stdio", "command": "sh", "args": ["-c", "id"]}),
                "transport/command",
            ),
            (
                json!({"kind": "stdio", "command": "mcp-server-git", "cwd": "/etc"}),
                "transport/cwd",
            ),
        ];
        for (transport, what) in refused {
            let refused = setup().check(&connector(&transport), None).unwrap_err();
            assert_eq!(refused.what, what);
        }
        for reference in [
            json!({"value": "hunter2"}),
            json!({"env": "DATABASE_URL"}),
            json!({"file": "/run/secrets/../../etc/shadow"}),
            json!({"file": "/run/secrets"}),
            json!({"file": "/run/secrets-of-others/key"}),
            json!({"file": "data/seal.key"}),
        ] {
            let transport = json!({"kind": "http", "url": "https://crm.example.co.jp/mcp",
                                   "headers": {"Authorization": reference}});
            let refused = setup().check(&connector(&transport), None).unwrap_err();
            assert_eq!(refused.what, "transport/headers/Authorization");
        }
        let nothing = RemoteSetup::default();
        assert_eq!(
            nothing.check(&at("https://anywhere.example/mcp"), None),
            Ok(())
        );
    }

    #[test]
    fn what_proves_the_gate_as_a_client_is_bound_as_well() {
        let mut guarded = at("https://crm.example.co.jp/mcp");
        let mut with = |oauth: Value| {
            guarded.oauth = serde_json::from_value(oauth).unwrap();
            setup().check(&guarded, None).map_err(|error| error.what)
        };
        let issuer = "https://login.example.co.jp";
        let fine = json!({"account": "gate", "issuer": issuer, "client_id": "gate",
                          "client_secret": {"env": "SEKIMORI_SECRET_CRM"}});
        assert_eq!(with(fine), Ok(()));
        for (oauth, what) in [
            (
                json!({"account": "gate", "issuer": "https://login.example"}),
                "oauth/issuer",
            ),
            (
                json!({"account": "gate", "client_secret": {"value": "hunter2"}}),
                "oauth/client_secret",
            ),
            (
                json!({"account": "gate", "private_key": {"file": "data/seal.key"}}),
                "oauth/private_key",
            ),
        ] {
            assert_eq!(with(oauth), Err(what.to_owned()));
        }
        let mut program = connector(&json!({"kind": "stdio", "command": "mcp-server-git"}));
        program.oauth = guarded.oauth;
        assert_eq!(check_connector(&program).unwrap_err().what, "oauth");
    }

    #[test]
    fn what_was_set_up_by_command_can_be_kept_but_not_turned_elsewhere() {
        let by_command = connector(
            &json!({"kind": "http", "url": "https://crm.example.co.jp/mcp",
                   "headers": {"Authorization": {"env": "DATABASE_URL"}}}),
        );
        let renamed = Connector {
            title: "顧客管理".to_owned(),
            ..by_command.clone()
        };
        assert_eq!(setup().check(&renamed, Some(&by_command)), Ok(()));
        let mut elsewhere = renamed;
        if let Transport::Http { url, .. } = &mut elsewhere.transport {
            "https://mine.example.co.jp/mcp".clone_into(url);
        }
        assert!(setup().check(&elsewhere, Some(&by_command)).is_err());
    }
}
