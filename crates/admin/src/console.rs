//! The files of the console under `/ui/`, as `build.rs` took them in.
//!
//! Assets are named after their content and never change; the page itself is made new each time, because its
//! content policy admits no style without the nonce of this very answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::control::Control;
use crate::envelope;
use crate::extract::Path;
use crate::problem::Problem;

/// Name and content.
type File = (&'static str, &'static [u8]);

const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/console.rs"));

const PAGE: &str = "index.html";
/// Stands in the page where the nonce goes.
const NONCE_PLACE: &str = "{{nonce}}";
/// Names in this folder hold a digest of the content.
const ASSETS: &str = "assets/";
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const FOR_AN_HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");
const NOT_BUILT: &str = "This gate was built without its console. Build it with: cargo xtask console\n\
    この Sekimori にはコンソールが組み込まれていません。cargo xtask console で作成してからビルドし直してください。\n";

/// The routes of this area.
pub(crate) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/ui", get(|| async { Redirect::permanent("/ui/") }))
        .route("/ui/", get(page))
        .route("/ui/{*path}", get(file))
}

/// The page. It reads its own address to know what to show.
async fn page(State(control): State<Arc<Control>>) -> Result<Response, Problem> {
    let Some(page) = find(PAGE) else {
        return Ok((StatusCode::SERVICE_UNAVAILABLE, NOT_BUILT).into_response());
    };
    let mut nonce = [0; 16];
    control.random.fill(&mut nonce)?;
    let nonce = STANDARD.encode(nonce);
    let html = String::from_utf8_lossy(page).replace(NONCE_PLACE, &nonce);
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    let mut response = axum::response::Html(html).into_response();
    let policy = HeaderValue::from_str(&policy)
        .map_err(|error| Problem::failure("the content policy of the console", &error))?;
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// A file of the console, or the page for what is an address within it.
async fn file(
    State(control): State<Arc<Control>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Some(content) = find(&path).filter(|_| path != PAGE) {
        return asset(&path, content, &headers);
    }
    if path.starts_with(ASSETS) {
        return envelope::nothing_here().await.into_response();
    }
    page(State(control)).await.into_response()
}

fn find(name: &str) -> Option<&'static [u8]> {
    let place = FILES.binary_search_by_key(&name, |(name, _)| name).ok()?;
    FILES.get(place).map(|(_, content)| *content)
}

/// The file as small as the browser can take it.
fn asset(name: &str, plain: &'static [u8], asked: &HeaderMap) -> Response {
    let offered = BTreeMap::from([("br", ".br"), ("gzip", ".gz")]);
    let small = offered
        .into_iter()
        .filter(|(coding, _)| accepts(asked, coding))
        .find_map(|(coding, ending)| Some((coding, find(&format!("{name}{ending}"))?)));
    let mut response = small.map_or(plain, |(_, content)| content).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type(name));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    let keep = if name.starts_with(ASSETS) {
        FOR_EVER
    } else {
        FOR_AN_HOUR
    };
    headers.insert(CACHE_CONTROL, keep);
    if let Some((coding, _)) = small {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

fn accepts(asked: &HeaderMap, coding: &str) -> bool {
    let lists = asked.get_all(ACCEPT_ENCODING).iter();
    let lists = lists.filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        parts.next() == Some(coding) && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
    })
}

fn media_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        Some((_, "json")) => "application/json",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_coding_that_is_accepted_is_chosen() {
        let asked = |value: &'static str| {
            HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))])
        };
        assert!(accepts(&asked("gzip, deflate, br"), "br"));
        assert!(accepts(&asked("gzip;q=0.5"), "gzip"));
        assert!(!accepts(&asked("gzip, br;q=0"), "br"));
        assert!(!accepts(&asked("brotli"), "br"));
        assert!(!accepts(&HeaderMap::new(), "gzip"));
    }

    #[test]
    fn files_are_sorted_so_that_they_are_found() {
        assert!(FILES.is_sorted_by_key(|(name, _)| *name));
        for (name, content) in FILES {
            assert_eq!(find(name), Some(*content));
        }
    }
}
