//! `/step-up`: a person proves a second factor for what a client was granted, and the client goes on with the
//! token that it has (AUTHZ-6).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use sekimori_identity::authorization_server::StepUp;
use sekimori_identity::sign_in::ReturnTo;
use sekimori_store::StoreError;
use serde::Deserialize;

use super::{record, server};
use crate::control::Control;
use crate::extract::{Form, Query};
use crate::pages::Page;
use crate::problem::Problem;
use crate::sign_in::Guest;

/// Which grant.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    grant: String,
    #[serde(default)]
    csrf: String,
}

/// Asks whether the second factor is to count for this client.
pub(super) async fn show(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let server = server(&control)?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.to_step_up(&control, &ReturnTo::StepUp(which.grant.clone())));
    };
    match server
        .ask_to_step_up(&which.grant, &signed_in)
        .await
        .map_err(|error| failure(&error))?
    {
        StepUp::Unknown => Err(Problem::not_found("connection")),
        StepUp::Prove => Ok(guest.to_step_up(&control, &ReturnTo::StepUp(which.grant.clone()))),
        StepUp::Ask { grant, client_name } => {
            let page = Page::new("step_up_grant.html")
                .with("grant", &grant.id)
                .with("client_name", client_name)
                .with("client_id", grant.client.as_str())
                .with("resource", &grant.resource)
                .with("done", false);
            Ok(guest.visit.show(&control, &page))
        }
    }
}

/// The person agrees.
pub(super) async fn confirm(
    State(control): State<Arc<Control>>,
    guest: Guest,
    Form(which): Form<Which>,
) -> Result<Response, Problem> {
    let server = server(&control)?;
    guest.visit.browser.check_csrf(&which.csrf)?;
    let Some(signed_in) = guest.signed_in(&control).await? else {
        return Ok(guest.to_step_up(&control, &ReturnTo::StepUp(which.grant.clone())));
    };
    let stepped_up = server.step_up(&which.grant, &signed_in).await;
    let Some(grant) = stepped_up.map_err(|error| failure(&error))? else {
        // Ended meanwhile, or the proof grew old on the page.
        return Ok(guest.to_step_up(&control, &ReturnTo::StepUp(which.grant.clone())));
    };
    record::stepped_up(&control, &guest, &grant).await?;
    let page = Page::new("step_up_grant.html").with("done", true);
    Ok(guest.visit.show(&control, &page))
}

fn failure(error: &StoreError) -> Problem {
    Problem::failure("stepping up", error)
}
