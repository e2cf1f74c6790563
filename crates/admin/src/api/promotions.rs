//! What goes on from one environment to the next (AUTHZ-8).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use sekimori_domain::catalog::Environment;
use sekimori_domain::ids::ConnectorName;
use sekimori_domain::policy_set::PolicyContent;
use sekimori_domain::promotion::{Promotion, Word};
use sekimori_domain::record::EventKind;
use sekimori_policy::promote_roles;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Problems;
use super::access::{Allowed, ManageCatalog, ManagePolicies, Right, ViewCatalog};
use super::list::{List, Part};
use super::policy_versions::{WholeVersion, by, whole};
use super::version::tagged;
use crate::control::Control;
use crate::extract::{Json, Path, Query};
use crate::problem::Problem;
use crate::promotion_desk::{PromotionDesk, PromotionFault};

/// What was decided about a connector, for the one that stands for it in the next environment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Promotion)]
pub(crate) struct PromotionView {
    /// Its id.
    id: String,
    /// `proposed`, `applied` or `refused`.
    state: &'static str,
    /// From which connector.
    from: String,
    /// Where that stands.
    from_environment: &'static str,
    /// To which connector.
    to: String,
    /// Where that stands.
    to_environment: &'static str,
    /// What it changes there. Where that connector leads, and with which secrets, stays as it is.
    changes: Vec<PromotedChangeView>,
    /// Tools whose reviews do not go along.
    left_out: Vec<LeftOutView>,
    /// Who proposed it, and why.
    proposed: PromotionWordView,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided: Option<PromotionWordView>,
}

/// One difference that a promotion makes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PromotedChange)]
pub(crate) struct PromotedChangeView {
    /// Where: `settings/<name>` or `tools/<name>`.
    place: String,
    /// What is there now; `null`: nothing.
    before: Value,
    /// What comes.
    after: Value,
}

/// A tool that is left out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PromotionLeftOut)]
pub(crate) struct LeftOutView {
    /// The tool.
    tool: String,
    /// Why.
    why: String,
}

/// Who proposed or decided.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PromotionWord)]
pub(crate) struct PromotionWordView {
    /// Who.
    by: String,
    /// When.
    at: Timestamp,
    /// In words.
    note: String,
}

impl From<Word> for PromotionWordView {
    fn from(word: Word) -> Self {
        Self {
            by: word.by,
            at: word.at,
            note: word.note,
        }
    }
}

impl From<Promotion> for PromotionView {
    fn from(promotion: Promotion) -> Self {
        let changes = promotion.changes.into_iter();
        let left_out = promotion.left_out.into_iter();
        Self {
            id: promotion.id,
            state: promotion.state.as_str(),
            from: promotion.from.to_string(),
            from_environment: promotion.from_environment.as_str(),
            to: promotion.to.to_string(),
            to_environment: promotion.to_environment.as_str(),
            changes: changes
                .map(|change| PromotedChangeView {
                    place: change.place,
                    before: change.before,
                    after: change.after,
                })
                .collect(),
            left_out: left_out
                .map(|one| LeftOutView {
                    tool: one.tool,
                    why: one.why,
                })
                .collect(),
            proposed: promotion.proposed.into(),
            decided: promotion.decided.map(PromotionWordView::from),
        }
    }
}

/// Between which connectors, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPromotion {
    /// From which connector: in development or staging.
    from: String,
    /// To which connector, in the next environment.
    to: String,
    /// Why, in 1 to 1,000 characters.
    reason: String,
}

/// Words about a decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromotionNote {
    /// In at most 1,000 characters; may be empty.
    note: String,
}

/// Which roles go on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RolePromotion {
    /// `development` or `staging`.
    #[schema(value_type = String)]
    from: Environment,
    /// The environment that gets the same grants.
    #[schema(value_type = String)]
    to: Environment,
    /// Connectors of `from`, each with the one that stands for the same system in `to`.
    #[serde(default)]
    connectors: BTreeMap<String, String>,
}

impl From<PromotionFault> for Problem {
    fn from(fault: PromotionFault) -> Self {
        match fault {
            PromotionFault::NoConnector(_) => Self::not_found("connector"),
            PromotionFault::NotFound => Self::not_found("promotion"),
            PromotionFault::Rule(error) => Self::conflict(error.to_string()),
            PromotionFault::Store(error) => error.into(),
        }
    }
}

fn desk(control: &Control) -> PromotionDesk {
    PromotionDesk {
        store: Arc::clone(&control.store),
    }
}

fn said<R: Right>(allowed: &Allowed<R>, control: &Control, note: String) -> Word {
    Word {
        by: by(allowed),
        at: control.clock.now(),
        note,
    }
}

/// List promotions, newest first
#[utoipa::path(
    get, path = "/api/v1/promotions", tag = "catalog", operation_id = "listPromotions",
    params(Part),
    responses((status = 200, body = List<PromotionView>), Problems),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn list(
    _: Allowed<ViewCatalog>,
    State(control): State<Arc<Control>>,
    Query(part): Query<Part>,
) -> Result<Json<List<PromotionView>>, Problem> {
    let window = part.window()?;
    let promotions = control.store.promotions();
    let listed = promotions.list(window.after.as_deref(), window.wanted());
    let page = window.page(listed.await?, |promotion| promotion.id.clone());
    Ok(Json(page.map(PromotionView::from)))
}

/// Show a promotion
#[utoipa::path(
    get, path = "/api/v1/promotions/{id}", tag = "catalog", operation_id = "getPromotion",
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, body = PromotionView),
        (status = 404, description = "There is none of that id"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn get(
    _: Allowed<ViewCatalog>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let found = desk(&control).find(&id).await?;
    tagged(StatusCode::OK, &PromotionView::from(found))
}

/// Propose a promotion
///
/// Settings and reviews of a connector for the one that stands for it in the next environment. Nothing changes until
/// a second person agrees; addresses and secrets are never copied.
#[utoipa::path(
    post, path = "/api/v1/promotions", tag = "catalog", operation_id = "proposePromotion",
    request_body = NewPromotion,
    responses(
        (status = 201, body = PromotionView),
        (status = 404, description = "There is no such connector"),
        (status = 409, description = "It is not the next environment, or nothing would change"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn propose(
    allowed: Allowed<ManageCatalog>,
    State(control): State<Arc<Control>>,
    Json(new): Json<NewPromotion>,
) -> Result<Response, Problem> {
    let details = [
        ("action", json!("propose_promotion")),
        ("from", json!(new.from)),
        ("to", json!(new.to)),
    ];
    let deed = allowed
        .begin(&control, EventKind::ConnectorChange, details)
        .await?;
    let proposed = async {
        let id = control.ids.next().hyphenated().to_string();
        let (from, to) = (ConnectorName::new(&new.from)?, ConnectorName::new(&new.to)?);
        let word = said(&allowed, &control, new.reason);
        let proposed = desk(&control).propose(id, &from, &to, word).await;
        proposed.map_err(Problem::from)
    };
    let proposed = proposed.await;
    if let Ok(promotion) = &proposed {
        deed.detail("promotion", promotion.id.as_str());
    }
    let promotion = deed.end(proposed).await?;
    tagged(StatusCode::CREATED, &PromotionView::from(promotion))
}

/// Decides, with its record around it.
async fn decide(
    allowed: &Allowed<ManageCatalog>,
    control: &Control,
    id: &str,
    agrees: bool,
    note: String,
) -> Result<Response, Problem> {
    let found = desk(control).find(id).await?;
    let details = [
        (
            "action",
            json!(if agrees {
                "promote"
            } else {
                "refuse_promotion"
            }),
        ),
        ("promotion", json!(found.id)),
        ("from", json!(found.from)),
        ("to", json!(found.to)),
        ("changes", json!(found.changes.len())),
    ];
    let deed = allowed
        .begin(control, EventKind::ConnectorChange, details)
        .await?;
    let (desk, word) = (desk(control), said(allowed, control, note));
    let decided = if agrees {
        desk.agree(id, word).await
    } else {
        desk.refuse(id, word).await
    };
    tagged(
        StatusCode::OK,
        &PromotionView::from(deed.end(decided).await?),
    )
}

/// Agree to a promotion, which makes it
///
/// Whoever proposed it cannot. If anything that was compared has changed since, it is proposed anew instead.
#[utoipa::path(
    post, path = "/api/v1/promotions/{id}/agree", tag = "catalog", operation_id = "agreeToPromotion",
    params(("id" = String, Path, description = "Its id")),
    request_body = PromotionNote,
    responses(
        (status = 200, body = PromotionView),
        (status = 404, description = "There is none of that id"),
        (status = 409, description = "It is decided, one's own, or about something that changed since"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn agree(
    allowed: Allowed<ManageCatalog>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    Json(body): Json<PromotionNote>,
) -> Result<Response, Problem> {
    decide(&allowed, &control, &id, true, body.note).await
}

/// Refuse a promotion, or take it back
#[utoipa::path(
    post, path = "/api/v1/promotions/{id}/refuse", tag = "catalog", operation_id = "refusePromotion",
    params(("id" = String, Path, description = "Its id")),
    request_body = PromotionNote,
    responses(
        (status = 200, body = PromotionView),
        (status = 404, description = "There is none of that id"),
        (status = 409, description = "It is decided"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn refuse(
    allowed: Allowed<ManageCatalog>,
    State(control): State<Arc<Control>>,
    Path(id): Path<String>,
    Json(body): Json<PromotionNote>,
) -> Result<Response, Problem> {
    decide(&allowed, &control, &id, false, body.note).await
}

/// Promote roles to the next environment
///
/// Saves a draft of the policies in which roles grant there what they grant in the environment before. It gets into
/// force as every draft does: looked at, agreed to by a second person, activated.
#[utoipa::path(
    post, path = "/api/v1/promotions/roles", tag = "policies", operation_id = "promoteRoles",
    request_body = RolePromotion,
    responses(
        (status = 201, body = WholeVersion),
        (status = 409, description = "No role would grant anything more"),
        Problems,
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(crate) async fn promote(
    allowed: Allowed<ManagePolicies>,
    State(control): State<Arc<Control>>,
    Json(wanted): Json<RolePromotion>,
) -> Result<Response, Problem> {
    let mut connectors = BTreeMap::new();
    for (from, to) in &wanted.connectors {
        connectors.insert(ConnectorName::new(from)?, ConnectorName::new(to)?);
    }
    let in_force = control.desk.active().await?;
    let step = (wanted.from, wanted.to);
    let (roles, added) = promote_roles(&in_force.content.roles, step, &connectors);
    if added.is_empty() {
        return Err(Problem::conflict("no role would grant anything more"));
    }
    let details = [
        ("action", json!("promote_roles")),
        ("from", json!(wanted.from)),
        ("to", json!(wanted.to)),
        ("connectors", json!(connectors)),
        ("grants", json!(added.len())),
    ];
    let deed = allowed
        .begin(&control, EventKind::PolicyChange, details)
        .await?;
    let content = PolicyContent {
        roles,
        ..in_force.content
    };
    let saved = async {
        let now = control.clock.now();
        let saved = control.desk.save(content, &by(&allowed), now).await?;
        control.desk.version(saved.version).await
    };
    let saved = saved.await;
    if let Ok(version) = &saved {
        deed.detail("version", version.set.version);
    }
    tagged(StatusCode::CREATED, &whole(deed.end(saved).await?))
}
