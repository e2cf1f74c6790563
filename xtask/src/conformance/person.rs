//! Whoever sits in front of the browser while the suite runs.

use anyhow::{Result, ensure};

use crate::browser::Browser;

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
