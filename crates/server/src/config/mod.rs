//! The configuration: one TOML file, overridden by `SEKIMORI__SECTION__KEY` variables, checked as a whole.

pub(crate) mod approvals;
mod archive;
pub(crate) mod audit;
pub(crate) mod authorization_server;
pub(crate) mod kill_switch;
pub(crate) mod model;
mod shown;
pub(crate) mod sinks;
pub(crate) mod time_stamps;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

pub(crate) use model::Config;

/// Prefix of environment variables that override the file.
const OVERRIDE_PREFIX: &str = "SEKIMORI__";

/// Reads and checks the configuration file. Relative paths in it are relative to the file.
pub(crate) fn load(path: &Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "the configuration {} cannot be read; make one with: sekimori config init --config {}",
            path.display(),
            path.display()
        )
    })?;
    let overrides = std::env::vars()
        .filter(|(name, _)| name.starts_with(OVERRIDE_PREFIX))
        .collect();
    let mut config = parse(&text, &overrides)
        .with_context(|| format!("in the configuration {}", path.display()))?;
    let folder = path
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    config.server.data_dir = folder.join(&config.server.data_dir);
    if let Some(database) = &mut config.identity.country_database {
        *database = folder.join(&*database);
    }
    for sink in &mut config.audit.sinks {
        let files = [&mut sink.ca_file, &mut sink.cert_file, &mut sink.key_file];
        for path in files.into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }
    for authority in &mut config.audit.time_stamps {
        authority.ca_file = folder.join(&authority.ca_file);
    }
    if let Some(socket) = &mut config.audit.signer_socket {
        *socket = folder.join(&*socket);
    }
    if let Some(ca_file) = &mut config.egress.ca_file {
        *ca_file = folder.join(&*ca_file);
    }
    config.file = path.to_path_buf();
    Ok(config)
}

/// Parses the text, applies overrides and checks the result.
fn parse(text: &str, overrides: &BTreeMap<String, String>) -> anyhow::Result<Config> {
    let mut table: toml::Table = toml::from_str(text).context("not valid TOML")?;
    for (name, value) in overrides {
        apply(&mut table, name, value)?;
    }
    let config: Config = table
        .try_into()
        .context("not as described by `sekimori config schema`")?;
    config.check()?;
    Ok(config)
}

/// Puts one override in its place: `SEKIMORI__SERVER__LISTEN` is `listen` in `[server]`.
fn apply(table: &mut toml::Table, name: &str, value: &str) -> anyhow::Result<()> {
    let path: Vec<String> = name
        .trim_start_matches(OVERRIDE_PREFIX)
        .split("__")
        .map(str::to_ascii_lowercase)
        .collect();
    let Some((key, sections)) = path.split_last().filter(|(key, _)| !key.is_empty()) else {
        bail!("the variable {name} names no setting");
    };
    let mut place = table;
    for section in sections {
        let entry = place
            .entry(section.clone())
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let toml::Value::Table(inner) = entry else {
            bail!("the variable {name} goes through {section}, which is no section");
        };
        place = inner;
    }
    // A number, a truth value or a list is read as such; anything else is text.
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut parsed| parsed.remove("value"));
    place.insert(
        key.clone(),
        parsed.unwrap_or_else(|| toml::Value::String(value.to_owned())),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn defaults_are_a_loopback_gate() {
        let config = parse("", &BTreeMap::new()).unwrap();
        assert!(config.server.listen.ip().is_loopback());
        assert!(config.identity.issuers.is_empty());
    }

    /// What `config init` writes: with every example switched on it is valid, and no setting is missing.
    #[test]
    fn the_template_explains_every_setting() {
        let setting = |line: &&str| {
            let key = line.split_once(" = ").map_or("", |(key, _)| key);
            let is_key = !key.is_empty() && key.chars().all(|char| matches!(char, 'a'..='z' | '_'));
            is_key || line.starts_with('[')
        };
        let text: String = include_str!("template.toml")
            .lines()
            .map(|line| line.strip_prefix("# ").unwrap_or(line))
            .filter(setting)
            .flat_map(|line| [line, "\n"])
            .collect();
        parse(&text, &BTreeMap::new()).unwrap();
        let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
        for section in schema["$defs"].as_object().unwrap().values() {
            for name in section["properties"].as_object().into_iter().flatten() {
                let (key, table) = (format!("\n{} = ", name.0), format!(".{}]", name.0));
                assert!(text.contains(&key) || text.contains(&table), "{}", name.0);
            }
        }
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let text = "[server]\nlisten = \"127.0.0.1:1\"\n";
        let set = overrides(&[
            ("SEKIMORI__SERVER__LISTEN", "127.0.0.1:9"),
            ("SEKIMORI__LIMITS__CALLS_IN_FLIGHT", "7"),
        ]);
        let config = parse(text, &set).unwrap();
        assert_eq!(config.server.listen.port(), 9);
        assert_eq!(config.limits.calls_in_flight, 7);
        assert!(parse(text, &overrides(&[("SEKIMORI__", "1")])).is_err());
    }

    #[test]
    fn unknown_settings_and_unsafe_addresses_are_told() {
        let unknown = parse("[server]\nlissten = \"x\"\n", &BTreeMap::new()).unwrap_err();
        assert!(format!("{unknown:#}").contains("lissten"), "{unknown:#}");
        let open =
            "[server]\nlisten = \"0.0.0.0:8080\"\npublic_url = \"http://gate.example:8080\"\n";
        assert!(parse(open, &BTreeMap::new()).is_err());
    }
}
