//! The frame of all pages: templates, texts in both languages, style, headers.
//!
//! Pages work without scripts. Texts are in `messages/`, templates in `templates/`; a template says
//! `{{ t('key') }}`, or `{{ t('key', name=value) }}` where the text has `{name}`. Everything that comes from
//! outside is escaped by the template engine.

mod landing;
pub(crate) mod messages;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, SET_COOKIE, VARY};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use sekimori_domain::digest::Digest;
use serde::Serialize;

use crate::browser::Browser;
use crate::control::Control;
use crate::cookie::{self, SameSite};
use crate::language::Language;
use crate::problem::Problem;

/// The templates, by name.
const TEMPLATES: &[(&str, &str)] = &[
    ("base.html", include_str!("templates/base.html")),
    ("landing.html", include_str!("templates/landing.html")),
    ("problem.html", include_str!("templates/problem.html")),
    ("account.html", include_str!("templates/account.html")),
    (
        "authorize_failed.html",
        include_str!("templates/authorize_failed.html"),
    ),
    ("consent.html", include_str!("templates/consent.html")),
    (
        "connections.html",
        include_str!("templates/connections.html"),
    ),
    (
        "linked_account.html",
        include_str!("templates/linked_account.html"),
    ),
    (
        "linked_account_go.html",
        include_str!("templates/linked_account_go.html"),
    ),
    (
        "linked_account_failed.html",
        include_str!("templates/linked_account_failed.html"),
    ),
    (
        "step_up_grant.html",
        include_str!("templates/step_up_grant.html"),
    ),
    ("setup.html", include_str!("templates/setup.html")),
    ("setup_done.html", include_str!("templates/setup_done.html")),
    ("sign_in.html", include_str!("templates/sign_in.html")),
    (
        "sign_in_failed.html",
        include_str!("templates/sign_in_failed.html"),
    ),
    (
        "sign_in_local.html",
        include_str!("templates/sign_in_local.html"),
    ),
    ("signed_out.html", include_str!("templates/signed_out.html")),
    ("approval.html", include_str!("templates/approval.html")),
    ("step_up.html", include_str!("templates/step_up.html")),
    ("totp.html", include_str!("templates/totp.html")),
    ("totp_again.html", include_str!("templates/totp_again.html")),
];

const STYLE: &str = include_str!("style.css");
/// The policy of answers that are no pages: nothing may be loaded from them.
pub(crate) const NO_CONTENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
const LANGUAGE_COOKIE: &str = "sekimori-language";
const YEAR_SECONDS: u32 = 365 * 24 * 60 * 60;
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// A template or text is broken: a broken build.
#[derive(Debug, thiserror::Error)]
#[error("the template {name} can't be read")]
pub struct PageError {
    /// The template.
    pub name: &'static str,
    /// Why.
    #[source]
    pub source: minijinja::Error,
}

/// Templates and texts, ready to be shown.
#[derive(Debug)]
pub struct Pages {
    japanese: Environment<'static>,
    english: Environment<'static>,
    /// Changes with the style sheet, so that browsers may keep it for ever.
    style_version: String,
}

impl Pages {
    /// Reads the templates that are compiled in.
    pub fn new() -> Result<Self, PageError> {
        let style_version = Digest::of(STYLE.as_bytes()).to_string();
        Ok(Self {
            japanese: environment(Language::Japanese)?,
            english: environment(Language::English)?,
            style_version: style_version.chars().take(12).collect(),
        })
    }

    fn environment(&self, language: Language) -> &Environment<'static> {
        match language {
            Language::Japanese => &self.japanese,
            Language::English => &self.english,
        }
    }
}

fn environment(language: Language) -> Result<Environment<'static>, PageError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_function("t", move |key: &str, values: Kwargs| {
        translated(language, key, &values)
    });
    for (name, text) in TEMPLATES {
        environment
            .add_template(name, text)
            .map_err(|source| PageError { name, source })?;
    }
    Ok(environment)
}

/// The text of a key, with values in the places of their names. The template escapes it afterwards.
fn translated(language: Language, key: &str, values: &Kwargs) -> Result<String, minijinja::Error> {
    let Some(message) = messages::find(key) else {
        let what = format!("there is no text {key}");
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, what));
    };
    let mut text = message.text(language).to_owned();
    for name in values.args() {
        let value: Value = values.get(name)?;
        text = text.replace(&format!("{{{name}}}"), &value.to_string());
    }
    Ok(text)
}

/// A page to be shown.
#[derive(Debug)]
pub struct Page {
    template: &'static str,
    status: StatusCode,
    values: Vec<(&'static str, Value)>,
    form_targets: Vec<String>,
    script: bool,
}

impl Page {
    /// The page of a template.
    pub fn new(template: &'static str) -> Self {
        Self {
            template,
            status: StatusCode::OK,
            values: Vec::new(),
            form_targets: Vec::new(),
            script: false,
        }
    }

    /// Shown with another status than 200.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With a value for the template.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.values.push((name, Value::from(Serde(value))));
        self
    }

    /// The answer to its form may lead to this origin (`https://client.example`) or scheme (`myapp:`):
    /// browsers hold the content security policy against redirects after a form, too. Anything that is
    /// neither is left out.
    #[must_use]
    pub fn form_may_lead_to(mut self, origin_or_scheme: &str) -> Self {
        let clean = !origin_or_scheme.is_empty()
            && origin_or_scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b":/.-+[]".contains(&byte));
        if clean {
            self.form_targets.push(origin_or_scheme.to_owned());
        }
        self
    }

    /// May load the gate's own scripts and let them ask the gate: only for what HTML cannot do (passkeys).
    #[must_use]
    pub fn with_script(mut self) -> Self {
        self.script = true;
        self
    }

    fn content_policy(&self) -> String {
        let mut policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                          frame-ancestors 'none'; form-action 'self'"
            .to_owned();
        for target in &self.form_targets {
            policy.push(' ');
            policy.push_str(target);
        }
        if self.script {
            policy.push_str("; script-src 'self'; connect-src 'self'");
        }
        policy
    }
}

/// Somebody looks at a page: language, browser, address.
#[derive(Debug)]
pub struct Visit {
    /// The language of the page.
    pub language: Language,
    /// The browser in front of it.
    pub browser: Browser,
    /// Whether the language was chosen just now, and is to be remembered.
    chosen: bool,
    /// Path and query without the choice of a language.
    address: String,
}

impl Visit {
    /// The visit that a request is.
    pub(crate) fn of(parts: &Parts, control: &Control) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let (chosen, rest): (Vec<&str>, Vec<&str>) = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .partition(|pair| pair.starts_with("lang="));
        let chosen = chosen
            .iter()
            .find_map(|pair| Language::of_code(pair.strip_prefix("lang=")?));
        let name = cookie::full_name(&control.settings, LANGUAGE_COOKIE);
        let remembered = || cookie::read(&parts.headers, &name).and_then(Language::of_code);
        let language = chosen
            .or_else(remembered)
            .or_else(|| Language::preferred(&parts.headers))
            .unwrap_or_default();
        let mut address = parts.uri.path().to_owned();
        address.push('?');
        for pair in rest {
            address.push_str(pair);
            address.push('&');
        }
        Ok(Self {
            language,
            browser: Browser::of(parts, control)?,
            chosen: chosen.is_some(),
            address,
        })
    }

    /// Shows a page.
    pub fn show(&self, control: &Control, page: &Page) -> Response {
        match self.rendered(control, page) {
            Ok(html) => self.response(control, page, html),
            Err(error) => {
                tracing::error!(
                    template = page.template,
                    error = &error as &dyn std::error::Error,
                    "a page could not be shown"
                );
                let text = "internal error";
                (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
            }
        }
    }

    fn rendered(&self, control: &Control, page: &Page) -> Result<String, minijinja::Error> {
        let languages: Vec<_> = Language::ALL
            .into_iter()
            .filter(|language| *language != self.language)
            .map(|language| {
                let address = format!("{}lang={}", self.address, language.code());
                Value::from_pairs([
                    ("code", language.code().to_owned()),
                    ("name", language.own_name().to_owned()),
                    ("address", address),
                ])
            })
            .collect();
        let frame: [(&'static str, Value); 6] = [
            ("lang", self.language.code().into()),
            ("languages", languages.into()),
            ("csrf", self.browser.csrf_token().into()),
            ("gate", control.settings.title.clone().into()),
            ("public_url", control.settings.public_url.as_str().into()),
            ("style_version", control.pages.style_version.clone().into()),
        ];
        let values = frame.into_iter().chain(page.values.iter().cloned());
        control
            .pages
            .environment(self.language)
            .get_template(page.template)?
            .render(Value::from_pairs(values))
    }

    fn response(&self, control: &Control, page: &Page, html: String) -> Response {
        let mut response = (page.status, html).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HTML);
        headers.insert(VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        if let Ok(policy) = HeaderValue::from_str(&page.content_policy()) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        if let Some(cookie) = self.browser.set_cookie(control) {
            headers.append(SET_COOKIE, cookie);
        }
        if self.chosen {
            let remembered = cookie::write(
                &control.settings,
                LANGUAGE_COOKIE,
                self.language.code(),
                Some(YEAR_SECONDS),
                SameSite::Lax,
            );
            headers.extend(remembered.map(|cookie| (SET_COOKIE, cookie)));
        }
        response
    }
}

impl FromRequestParts<Arc<Control>> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        control: &Arc<Control>,
    ) -> Result<Self, Self::Rejection> {
        Self::of(parts, control)
    }
}

/// The routes of this area.
pub(crate) fn routes() -> Router<Arc<Control>> {
    Router::new()
        .route("/", get(landing::show))
        .route("/assets/sekimori.css", get(style))
}

async fn style(State(_): State<Arc<Control>>) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/css; charset=utf-8"),
        // Its address changes with it.
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, STYLE).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_a_template_is_in_the_catalogue() {
        let mut used = std::collections::BTreeSet::new();
        for (name, text) in TEMPLATES {
            for part in text.split("t('").skip(1) {
                let key = part.split('\'').next().unwrap_or_default();
                // Put together from a prefix and a value: the page's own tests look at those.
                if key.ends_with('.') {
                    continue;
                }
                assert!(messages::find(key).is_some(), "{name} uses {key}");
                used.insert(key);
            }
        }
        assert!(used.len() > 10, "the templates were not looked through");
    }

    #[test]
    fn forms_may_lead_to_origins_and_schemes_only() {
        let page = Page::new("x")
            .form_may_lead_to("http://127.0.0.1:7777")
            .form_may_lead_to("myapp:")
            .form_may_lead_to("https://a; script-src *")
            .form_may_lead_to("");
        let policy = page.content_policy();
        assert!(
            policy.ends_with("form-action 'self' http://127.0.0.1:7777 myapp:"),
            "{policy}"
        );
        assert!(!policy.contains("script"));
    }
}
