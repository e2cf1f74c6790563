//! A browser, as far as signing in needs one: cookies of each host, redirects, forms.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// A browser without scripts: cookies of each host, redirects, forms.
#[derive(Debug, Default, Clone)]
pub struct Browser {
    jars: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a browser sees.
#[derive(Debug)]
pub struct Seen {
    /// The status of the answer.
    pub status: StatusCode,
    /// Where it came from.
    pub url: String,
    /// Where it leads, as it was written.
    pub location: Option<String>,
    /// The page.
    pub text: String,
}

impl Seen {
    /// The value of a hidden field.
    ///
    /// # Panics
    ///
    /// When the page has no such field.
    pub fn field(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self
            .text
            .split_once(&start)
            .unwrap_or_else(|| panic!("no field {name} in {}: {}", self.url, self.text));
        unescaped(rest.split('"').next().unwrap())
    }

    /// Where the first link leads whose address begins like this.
    ///
    /// # Panics
    ///
    /// When the page has no such link.
    pub fn link(&self, start: &str) -> String {
        let mut links = self.text.split("href=\"").skip(1);
        let found = links.find_map(|rest| {
            let address = unescaped(rest.split('"').next().unwrap());
            address.starts_with(start).then_some(address)
        });
        found.unwrap_or_else(|| panic!("no link to {start} in {}: {}", self.url, self.text))
    }

    /// What is between two texts.
    ///
    /// # Panics
    ///
    /// When the page does not have them.
    pub fn between(&self, start: &str, end: &str) -> String {
        let (_, rest) = self.text.split_once(start).unwrap();
        unescaped(rest.split_once(end).unwrap().0)
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

impl Browser {
    /// Goes to an address and stays there, whatever it says.
    pub async fn get(&mut self, url: &str) -> Seen {
        self.send(Method::GET, url, None, String::new()).await
    }

    /// Goes to an address, and on to wherever it leads.
    pub async fn follow(&mut self, url: &str) -> Seen {
        let seen = self.get(url).await;
        self.go_on(seen).await
    }

    /// Goes on to where an answer leads, until there is a page.
    ///
    /// # Panics
    ///
    /// When it leads in circles.
    pub async fn go_on(&mut self, mut seen: Seen) -> Seen {
        for _ in 0..20 {
            let Some(location) = seen.location.take() else {
                return seen;
            };
            let next = absolute(&seen.url, &location);
            seen = self.get(&next).await;
        }
        panic!("too many redirects: {}", seen.url);
    }

    /// Posts a form.
    pub async fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Seen {
        let body = form(fields);
        let kind = Some("application/x-www-form-urlencoded");
        self.send(Method::POST, url, kind, body).await
    }

    /// Posts JSON.
    pub async fn post_json(&mut self, url: &str, value: &serde_json::Value) -> Seen {
        let kind = Some("application/json");
        self.send(Method::POST, url, kind, value.to_string()).await
    }

    /// Forgets the cookies of a host, or of all.
    pub fn forget(&mut self, url: &str) {
        self.jars.remove(&host(url));
    }

    /// A cookie of a host.
    pub fn cookie(&self, url: &str, name: &str) -> Option<&String> {
        self.jars.get(&host(url))?.get(name)
    }

    /// Plants a cookie, as somebody with power over a neighbour of the host could.
    pub fn plant(&mut self, url: &str, name: &str, value: &str) {
        let jar = self.jars.entry(host(url)).or_default();
        jar.insert(name.to_owned(), value.to_owned());
    }

    async fn send(&mut self, method: Method, url: &str, kind: Option<&str>, body: String) -> Seen {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(ACCEPT, "text/html,*/*;q=0.8");
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        let jar = self.jars.entry(host(url)).or_default();
        if !jar.is_empty() {
            let pairs: Vec<_> = jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let response = client
            .request(request.body(Full::from(body)).unwrap())
            .await
            .unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let text = cookie.to_str().unwrap();
            let (name, value) = text.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() || text.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = response.headers().get(LOCATION);
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Seen {
            status,
            url: url.to_owned(),
            location,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

/// Fields as a form.
pub fn form(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect()
    };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// A parameter in the query of an address.
///
/// # Panics
///
/// When the address does not have it.
pub fn parameter(url: &str, name: &str) -> String {
    let query = url.split_once('?').unwrap().1;
    let value = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
        .unwrap_or_else(|| panic!("no {name} in {url}"));
    percent_decoded(value)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next().unwrap(), rest.next().unwrap()];
            let pair = std::str::from_utf8(&pair).unwrap();
            bytes.push(u8::from_str_radix(pair, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn host(url: &str) -> String {
    let uri: Uri = url.parse().unwrap();
    uri.authority().unwrap().to_string()
}

fn absolute(base: &str, location: &str) -> String {
    if location.starts_with("http") {
        location.to_owned()
    } else {
        format!("http://{}{location}", host(base))
    }
}
