//! Whoever sits in front of the browser while the suite runs.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::browser::Browser;
use crate::run::{capture, counterparts};
use crate::setup::node;

/// The first administrator, who is asked for consent and links accounts.
pub(super) struct Person {
    browser: Browser,
    gate: String,
}

impl Person {
    pub(super) fn new(gate: &str) -> Self {
        Self {
            browser: Browser::new(),
            gate: gate.to_owned(),
        }
    }

    /// Makes the first administrator, who is signed in then.
    pub(super) fn set_up(&mut self, code: &str) -> Result<()> {
        let address = format!("{}/setup", self.gate);
        let csrf = self.browser.get(&address)?.field("csrf")?;
        let fields = [
            ("csrf", csrf.as_str()),
            ("code", code),
            ("user_name", "root"),
        ];
        let done = self.browser.post(&address, &fields)?;
        ensure!(done.status == 200, "the first start failed: {done}");
        Ok(())
    }

    /// Sets one-time codes up, and is signed in with a second factor then.
    pub(super) fn prove_more(&mut self) -> Result<()> {
        let account = format!("{}/account", self.gate);
        let csrf = self.browser.get(&account)?.field("csrf")?;
        let offer = format!("{account}/totp");
        let offer = self.browser.post(&offer, &[("csrf", csrf.as_str())])?;
        let script = counterparts().join("totp.mjs");
        let secret = offer.link("otpauth:")?;
        let code = capture(Command::new(node()).arg(script).arg(secret))?;
        let (csrf, handle) = (offer.field("csrf")?, offer.field("handle")?);
        let fields = [
            ("csrf", csrf.as_str()),
            ("handle", &handle),
            ("name", "phone"),
            ("code", code.trim()),
        ];
        let added = self.browser.post(&offer.action()?, &fields)?;
        let page = self.browser.go_on(added, |_| false)?;
        ensure!(page.status == 200, "one-time codes were not set up: {page}");
        Ok(())
    }

    /// Goes where a client wants, and lets it in.
    pub(super) fn consent(&mut self, address: &str) -> Result<()> {
        let page = self.browser.get(address)?;
        let (csrf, txn) = (page.field("csrf")?, page.field("txn")?);
        let fields = [
            ("csrf", csrf.as_str()),
            ("txn", &txn),
            ("decision", "allow"),
        ];
        let answer = self.browser.post(&page.action()?, &fields)?;
        self.browser.go_on(answer, |_| false)?;
        Ok(())
    }

    /// Links the gate's account at a connector; `false` if the gate does not go through with it.
    pub(super) fn link(&mut self, connector: &str) -> Result<bool> {
        let address = format!("{}/linked-accounts/at/{connector}", self.gate);
        let csrf = self.browser.get(&address)?.field("csrf")?;
        let fields = [
            ("csrf", csrf.as_str()),
            ("whose", "gate"),
            ("action", "link"),
        ];
        let page = self.browser.post(&address, &fields)?;
        if page.status != 200 {
            return Ok(false);
        }
        let away = self.browser.get(&page.link("http")?)?;
        let back = self.browser.go_on(away, |_| false)?;
        Ok(back.status == 200)
    }
}
