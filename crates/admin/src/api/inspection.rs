//! Rules of content inspection, and trying them on a text (DATA-2, DATA-3).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::inspection::InspectionRuleSet;
use sekimori_domain::record::EventKind;
use sekimori_inspect::poison::scan_text;
use sekimori_inspect::rules::{DEFAULT_RULES, Direction, Rule, RuleSet};
use sekimori_inspect::{FileError, Finding, Scanner, read_file};
use sekimori_store::NewInspectionRules;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::Problems;
use super::access::{Allowed, ManageInspection, ViewInspection};
use super::list::{List, Window};
use super::version::tagged;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::inspection_desk::InspectionDesk;
use crate::problem::Problem;

/// Days of recorded calls that are looked at for what rules would change, unless asked otherwise.
const IMPACT_DAYS: u16 = 7;
/// Longest text that is tried, in bytes.
const TEXT_BYTES_MAX: usize = 1024 * 1024;

/// A version of the rules.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InspectionRulesView {
    /// Its number; 0 for the rules that are shipped.
    version: u64,
    /// Whether it is in force.
    active: bool,
    /// Who saved it.
    author: String,
    /// When it was saved; absent for the shipped rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    /// The rules, as TOML.
    text: String,
}

/// A version of the rules in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InspectionRulesEntry {
    /// Its number.
    version: u64,
    /// Whether it is in force.
    active: bool,
    /// Who saved it.
    author: String,
    /// When it was saved.
    created_at: Timestamp,
}

/// Rules to be saved as the next version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewInspectionRules)]
pub(crate) struct InspectionRulesRequest {
    /// The rules, as TOML; they must be valid.
    text: String,
    /// Put them in force at once.
    #[serde(default)]
    activate: bool,
}

/// A text or a file to be looked at; one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InspectionRequest {
    /// The text.
    #[serde(default)]
    text: Option<String>,
    /// A file in base64: text and CSV, JSON, HTML, Word, Excel, PowerPoint.
    #[serde(default)]
    file: Option<String>,
    /// Rules to try instead of those in force, as TOML.
    #[serde(default)]
    rules: Option<String>,
}

/// Something that was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FindingView {
    /// Its type, such as `MY_NUMBER`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Its class, such as `personal`, or one of the company's own.
    class: String,
    /// First code point.
    start: u32,
    /// Behind the last code point.
    end: u32,
    /// 0 to 100.
    confidence: u8,
}

/// What a rule could do about what was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Verdict {
    /// The rule's id.
    rule: String,
    /// The type it is about.
    #[serde(rename = "type")]
    kind: &'static str,
    /// `input`, `output`, or absent for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    /// What it does.
    action: &'static str,
    /// What it tells people.
    message: String,
}

/// What a file turned out to be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FileView {
    /// Whether it could be read.
    readable: bool,
    /// `text`, `json`, `html` or `office`.
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    /// How its characters were written.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Something that looks like an order to the model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SuspicionView {
    /// `hidden_text`, `instruction`, `cross_tool`, `exfiltration` or `look_alike`.
    #[serde(rename = "type")]
    ruse: &'static str,
    /// First code point.
    start: usize,
    /// Behind the last code point.
    end: usize,
}

/// What inspection says about a text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InspectionView {
    /// The version of the rules; absent for rules that were sent along.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<u64>,
    /// What the file turned out to be; places count in its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<FileView>,
    /// What was found.
    findings: Vec<FindingView>,
    /// What looks like an order to the model.
    suspicions: Vec<SuspicionView>,
    /// The text with all of it covered.
    masked: String,
    /// The rules that are about it, in order; which of them counts depends on the call.
    would: Vec<Verdict>,
}

/// Which calls are looked at.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Since {
    /// Calls of so many days; 7 by default.
    days: Option<u16>,
}

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// Most items: 1 to 200, 50 by default.
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List the versions of the rules
#[utoipa::path(
    get, path = "/api/v1/inspection-rules", tag = "inspection", operation_id = "listInspectionRules",
    params(Part),
    responses((status = 200, body = List<InspectionRulesEntry>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list_rules(
    _: Allowed<ViewInspection>,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<InspectionRulesEntry>>, Problem> {
    let window = Window::new(part.limit, part.cursor.as_deref())?;
    let before = match &window.after {
        Some(version) => Some(number(version)?),
        None => None,
    };
    let stored = control.store.inspection_rules();
    let active = stored.active().await?.map(|set| set.version);
    let found = stored.history(before, window.wanted()).await?;
    let page = window.page(found, |set| set.version.to_string());
    Ok(Json(page.map(|set| InspectionRulesEntry {
        version: set.version,
        active: active == Some(set.version),
        author: set.author,
        created_at: set.created_at,
    })))
}

/// Show a version of the rules
#[utoipa::path(
    get, path = "/api/v1/inspection-rules/{version}", tag = "inspection",
    operation_id = "getInspectionRules",
    params(("version" = String, Path, description = "Its number, `active`, or `shipped`")),
    responses(
        (status = 200, body = InspectionRulesView, headers(("ETag" = String))),
        (status = 404, description = "There is no such version"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get_rules(
    _: Allowed<ViewInspection>,
    State(control): State<Arc<Control>>,
    Path(version): Path<String>,
) -> Result<Response, Problem> {
    let stored = control.store.inspection_rules();
    let active = stored.active().await?;
    let in_force = active.as_ref().map_or(0, |set| set.version);
    let found = match version.as_str() {
        "active" => active,
        "shipped" => None,
        given => {
            let found = stored.get(number(given)?).await?;
            Some(found.ok_or_else(|| Problem::not_found("version of the inspection rules"))?)
        }
    };
    let shown = match found {
        Some(set) => view(set, in_force),
        None => InspectionRulesView {
            version: 0,
            active: in_force == 0,
            author: "sekimori".to_owned(),
            created_at: None,
            text: DEFAULT_RULES.to_owned(),
        },
    };
    tagged(StatusCode::OK, &shown)
}

/// Save rules as the next version
///
/// They must be valid. They are not in force until they are activated.
#[utoipa::path(
    post, path = "/api/v1/inspection-rules", tag = "inspection", operation_id = "saveInspectionRules",
    request_body = InspectionRulesRequest,
    responses((status = 201, body = InspectionRulesView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn save_rules(
    allowed: Allowed<ManageInspection>,
    State(control): State<Arc<Control>>,
    Json(new): Json<InspectionRulesRequest>,
) -> Result<Response, Problem> {
    parse(0, &new.text)?;
    let action = if new.activate {
        "save and activate"
    } else {
        "save"
    };
    let details = [("action", json!(action))];
    let deed = allowed
        .begin(&control, EventKind::InspectionChange, details)
        .await?;
    let by = allowed.someone.caller.principal.id.to_string();
    let done = save(&control, new, by).await;
    if let Ok(saved) = &done {
        deed.detail("version", saved.version);
    }
    tagged(StatusCode::CREATED, &deed.end(done).await?)
}

async fn save(
    control: &Control,
    new: InspectionRulesRequest,
    by: String,
) -> Result<InspectionRulesView, Problem> {
    let stored = control.store.inspection_rules();
    let now = control.clock.now();
    let rules = NewInspectionRules {
        text: new.text,
        author: by.clone(),
        created_at: now,
    };
    let saved = stored.append(&rules).await?;
    if new.activate {
        stored.activate(saved.version, &by, now).await?;
    }
    let in_force = stored.active().await?.map_or(0, |set| set.version);
    Ok(view(saved, in_force))
}

/// Show what a version of the rules would change
///
/// What records tell of recorded calls is decided again by it. Records hold types and counts, never contents, so this
/// can't tell everything: `not_told` names what.
#[utoipa::path(
    get, path = "/api/v1/inspection-rules/{version}/impact", tag = "inspection",
    operation_id = "showImpactOfInspectionRules",
    params(("version" = u64, Path, description = "Its number"), Since),
    responses(
        (status = 200, body = Object, description = "What would be done otherwise, by connector, direction and type"),
        (status = 404, description = "There is no such version"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn impact(
    _: Allowed<ViewInspection>,
    State(control): State<Arc<Control>>,
    Path(version): Path<String>,
    Query(since): Query<Since>,
) -> Result<Json<serde_json::Value>, Problem> {
    let found = control
        .store
        .inspection_rules()
        .get(number(&version)?)
        .await?;
    let set = found.ok_or_else(|| Problem::not_found("version of the inspection rules"))?;
    let draft = parse(set.version, &set.text)?;
    let desk = InspectionDesk {
        store: Arc::clone(&control.store),
    };
    let days = since.days.unwrap_or(IMPACT_DAYS);
    let impact = desk.impact(&draft, days, control.clock.now()).await?;
    Ok(Json(json!(impact)))
}

/// Put a version of the rules in force
///
/// Running gates follow within a second.
#[utoipa::path(
    post, path = "/api/v1/inspection-rules/{version}/activate", tag = "inspection",
    operation_id = "activateInspectionRules",
    params(("version" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = InspectionRulesView),
        (status = 404, description = "There is no such version"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn activate_rules(
    allowed: Allowed<ManageInspection>,
    State(control): State<Arc<Control>>,
    Path(version): Path<String>,
) -> Result<Response, Problem> {
    let details = [("action", json!("activate")), ("version", json!(version))];
    let deed = allowed
        .begin(&control, EventKind::InspectionChange, details)
        .await?;
    let by = allowed.someone.caller.principal.id.to_string();
    let done = activate(&control, &version, &by).await;
    tagged(StatusCode::OK, &deed.end(done).await?)
}

async fn activate(
    control: &Control,
    version: &str,
    by: &str,
) -> Result<InspectionRulesView, Problem> {
    let stored = control.store.inspection_rules();
    let found = stored.get(number(version)?).await?;
    let set = found.ok_or_else(|| Problem::not_found("version of the inspection rules"))?;
    // It was valid when it was saved; another release may read it otherwise.
    parse(set.version, &set.text)?;
    stored
        .activate(set.version, by, control.clock.now())
        .await?;
    let in_force = set.version;
    Ok(view(set, in_force))
}

/// Try inspection on a text or a file
///
/// Says what is found, what the text looks like with it covered, and which rules are about it; of a file that can't be
/// read, why, and which rules are about such files. Nothing is kept; the record tells who tried and how much, never what.
#[utoipa::path(
    post, path = "/api/v1/inspect", tag = "inspection", operation_id = "inspect",
    request_body = InspectionRequest,
    responses((status = 200, body = InspectionView), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn inspect(
    allowed: Allowed<ManageInspection>,
    State(control): State<Arc<Control>>,
    Json(asked): Json<InspectionRequest>,
) -> Result<Response, Problem> {
    let content = content(asked.text, asked.file)?;
    let desk = InspectionDesk {
        store: Arc::clone(&control.store),
    };
    let (version, rules) = if let Some(text) = &asked.rules {
        (None, desk.with_dictionaries(parse(0, text)?).await?)
    } else {
        let (rules, _) = desk.in_force().await?;
        (Some(rules.version), rules)
    };
    let details = [("action", json!("try")), ("bytes", json!(content.len()))];
    let deed = allowed
        .begin(&control, EventKind::InspectionChange, details)
        .await?;
    let tried = tokio::task::spawn_blocking(move || look(version, &rules, content))
        .await
        .map_err(|error| Problem::failure("an inspection", &error));
    tagged(StatusCode::OK, &deed.end(tried).await?)
}

/// What is to be looked at.
enum Content {
    Text(String),
    File(Vec<u8>),
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::File(bytes) => bytes.len(),
        }
    }
}

fn content(text: Option<String>, file: Option<String>) -> Result<Content, Problem> {
    match (text, file) {
        (Some(text), None) if text.len() <= TEXT_BYTES_MAX => Ok(Content::Text(text)),
        (Some(_), None) => Err(Problem::invalid("/text", "use 1 MiB at most")),
        (None, Some(file)) => base64::engine::general_purpose::STANDARD
            .decode(file)
            .map(Content::File)
            .map_err(|_| Problem::invalid("/file", "use base64")),
        _ => Err(Problem::invalid("", "give a text or a file")),
    }
}

fn look(version: Option<u64>, rules: &RuleSet, content: Content) -> InspectionView {
    let (file, text) = match content {
        Content::Text(text) => (None, text),
        Content::File(bytes) => match read_file(&bytes) {
            Ok(read) => {
                let view = FileView {
                    readable: true,
                    format: Some(read.format.as_str()),
                    encoding: Some(read.encoding),
                    why: None,
                };
                (Some(view), read.text)
            }
            Err(error) => return unreadable(version, rules, error),
        },
    };
    InspectionView {
        file,
        ..look_at(version, rules, &text)
    }
}

/// What is said about a file that can't be read.
fn unreadable(version: Option<u64>, rules: &RuleSet, error: FileError) -> InspectionView {
    let about = rules.rules.iter().filter(|rule| rule.find.unreadable);
    InspectionView {
        rules: version,
        file: Some(FileView {
            readable: false,
            format: None,
            encoding: None,
            why: Some(error.to_string()),
        }),
        findings: Vec::new(),
        suspicions: Vec::new(),
        masked: String::new(),
        would: about.map(|rule| verdict(rule, "unreadable")).collect(),
    }
}

fn verdict(rule: &Rule, kind: &'static str) -> Verdict {
    Verdict {
        rule: rule.id.clone(),
        kind,
        direction: rule.when.direction.map(Direction::as_str),
        action: rule.action.as_str(),
        message: rule.message.clone(),
    }
}

fn look_at(version: Option<u64>, rules: &RuleSet, text: &str) -> InspectionView {
    let scanner = rules.equip(Scanner::new());
    let least = rules.settings.confidence;
    let found: Vec<Finding> = scanner
        .scan(text)
        .into_iter()
        .filter(|finding| finding.confidence >= least)
        .collect();
    let masked = scanner.mask_if(text, |finding| finding.confidence >= least);
    let mut kinds = found.clone();
    kinds.sort_by_key(|finding| (finding.kind, finding.own));
    kinds.dedup_by_key(|finding| (finding.kind, finding.own));
    let would = kinds
        .iter()
        .flat_map(|finding| {
            let about = rules.about(finding);
            about.map(|rule| verdict(rule, finding.kind.as_str()))
        })
        .collect();
    let suspicions = scan_text(text).into_iter().map(|found| SuspicionView {
        ruse: found.ruse.as_str(),
        start: found.chars.start,
        end: found.chars.end,
    });
    InspectionView {
        rules: version,
        file: None,
        suspicions: suspicions.collect(),
        findings: found
            .iter()
            .map(|finding| FindingView {
                kind: finding.kind.as_str(),
                class: scanner.class_of(finding).as_str().to_owned(),
                start: finding.start,
                end: finding.end,
                confidence: finding.confidence,
            })
            .collect(),
        masked: masked.text,
        would,
    }
}

fn parse(version: u64, text: &str) -> Result<RuleSet, Problem> {
    RuleSet::parse(version, text).map_err(|error| Problem::invalid("/text", error.to_string()))
}

fn number(version: &str) -> Result<u64, Problem> {
    version
        .parse()
        .map_err(|_| Problem::not_found("version of the inspection rules"))
}

fn view(set: InspectionRuleSet, in_force: u64) -> InspectionRulesView {
    InspectionRulesView {
        version: set.version,
        active: set.version == in_force,
        author: set.author,
        created_at: Some(set.created_at),
        text: set.text,
    }
}
