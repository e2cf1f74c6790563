//! A browser without a screen: cookies of each host, redirects, links and forms.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ureq::Agent;
use ureq::http::Uri;

const PAGE_TIME_MAX: Duration = Duration::from_secs(20);
const REDIRECTS_MAX: usize = 20;

/// A browser. Cookies are kept for each host and port.
pub(crate) struct Browser {
    agent: Agent,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// A page, or an answer that leads somewhere else.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) url: String,
    /// Where it leads.
    pub(crate) location: Option<String>,
    pub(crate) text: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(PAGE_TIME_MAX))
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .build();
        Self {
            agent: config.into(),
            cookies: BTreeMap::new(),
        }
    }

    /// Goes to an address and stays there.
    pub(crate) fn get(&mut self, url: &str) -> Result<Page> {
        let request = self.agent.get(url).header("cookie", self.cookie(url)?);
        let answer = request.header("accept", "text/html").call();
        self.take(url, answer.with_context(|| format!("visiting {url}"))?)
    }

    /// Posts a form.
    pub(crate) fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Result<Page> {
        let request = self
            .agent
            .post(url)
            .header("cookie", self.cookie(url)?)
            .header("accept", "text/html")
            .header("origin", origin(url)?)
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send(form(fields));
        self.take(url, answer.with_context(|| format!("posting to {url}"))?)
    }

    /// Goes on to where an answer leads, until there is a page or `until` says that this is it.
    pub(crate) fn go_on(&mut self, mut page: Page, until: impl Fn(&str) -> bool) -> Result<Page> {
        for _ in 0..REDIRECTS_MAX {
            let Some(to) = page.location.as_deref() else {
                return Ok(page);
            };
            let to = page.address(to)?;
            if until(&to) {
                return Ok(page);
            }
            page = self.get(&to)?;
        }
        bail!("the browser was sent around in circles")
    }

    fn cookie(&self, url: &str) -> Result<String> {
        let pairs = self.cookies.get(&origin(url)?).into_iter().flatten();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Ok(pairs.join("; "))
    }

    fn take(&mut self, url: &str, mut answer: ureq::http::Response<ureq::Body>) -> Result<Page> {
        let jar = self.cookies.entry(origin(url)?).or_default();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap_or_default().split(';').next();
            if let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = answer.headers().get("location");
        Ok(Page {
            status: answer.status().as_u16(),
            url: url.to_owned(),
            location: location.and_then(|to| to.to_str().ok()).map(str::to_owned),
            text: answer
                .body_mut()
                .read_to_string()
                .context("reading a page")?,
        })
    }
}

impl Page {
    /// The value of a hidden field.
    pub(crate) fn field(&self, name: &str) -> Result<String> {
        let marker = format!("name=\"{name}\" value=\"");
        self.attribute(&marker)
            .with_context(|| format!("{self} has no field {name}"))
    }

    /// Where a link leads, by the start of its address.
    pub(crate) fn link(&self, start: &str) -> Result<String> {
        // Templates write a slash as an entity.
        let found = self.text.split("href=\"").skip(1).find_map(|rest| {
            let address = unescaped(rest.split('"').next()?);
            address.starts_with(start).then_some(address)
        });
        let found = found.with_context(|| format!("{self} has no link to {start}"))?;
        self.address(&found)
    }

    /// Where a form is posted to.
    pub(crate) fn action(&self) -> Result<String> {
        let action = self.attribute("action=\"");
        self.address(&action.with_context(|| format!("{self} has no form"))?)
    }

    /// The text after a marker, up to the next quote.
    fn attribute(&self, marker: &str) -> Option<String> {
        let (_, rest) = self.text.split_once(marker)?;
        Some(unescaped(rest.split('"').next()?))
    }

    /// An address on this page, in full.
    pub(crate) fn address(&self, to: &str) -> Result<String> {
        if to.starts_with('/') {
            Ok(format!("{}{to}", origin(&self.url)?))
        } else {
            Ok(to.to_owned())
        }
    }
}

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.url.split('?').next().unwrap_or_default();
        write!(f, "the page {path} (HTTP {})", self.status)
    }
}

fn unescaped(text: &str) -> String {
    let escapes = [
        ("&#x2f;", "/"),
        ("&#x27;", "'"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ];
    escapes
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

fn origin(url: &str) -> Result<String> {
    let uri: Uri = url
        .parse()
        .with_context(|| format!("{url} is no address"))?;
    let scheme = uri.scheme_str().unwrap_or("http");
    let authority = uri.authority();
    let authority = authority.with_context(|| format!("{url} has no host"))?;
    Ok(format!("{scheme}://{authority}"))
}

/// Fields as a form, or as a query.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A parameter in the query of an address.
pub(crate) fn parameter(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    let pair = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut bytes = Vec::new();
    let mut rest = pair.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_written_and_read() {
        let query = form(&[("a", "x y/ü"), ("b", "1")]);
        assert_eq!(query, "a=x%20y%2F%C3%BC&b=1");
        let url = format!("http://a/?{query}");
        assert_eq!(parameter(&url, "a").unwrap(), "x y/ü");
        assert_eq!(parameter(&url, "b").unwrap(), "1");
        assert_eq!(parameter(&url, "c"), None);
    }

    #[test]
    fn links_and_fields_are_found_on_a_page() {
        let page = Page {
            status: 200,
            url: "http://a:1/b?c".to_owned(),
            location: None,
            text: r#"<a href="&#x2f;d&#x2f;e?f">g</a><form action="/h"><input name="i" value="j&amp;k">"#
                .to_owned(),
        };
        assert_eq!(page.link("/d/").unwrap(), "http://a:1/d/e?f");
        assert_eq!(page.action().unwrap(), "http://a:1/h");
        assert_eq!(page.field("i").unwrap(), "j&k");
        assert!(page.field("x").is_err());
    }
}
