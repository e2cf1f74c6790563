//! What people are told, in Japanese and English. Never an argument: messages leave the company.

use sekimori_domain::approval::{ApprovalRequest, Risk};

/// The language of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// 日本語
    #[default]
    Japanese,
    /// English
    English,
}

impl Language {
    /// That of a locale; Japanese where none is known.
    pub fn of(locale: Option<&str>) -> Self {
        match locale {
            Some(locale) if !locale.to_ascii_lowercase().starts_with("ja") => Self::English,
            _ => Self::Japanese,
        }
    }
}

/// A message in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// One line.
    pub subject: String,
    /// The facts: name and value.
    pub facts: Vec<(&'static str, String)>,
    /// What to do.
    pub call: &'static str,
}

impl Told {
    /// All of it as plain text, with the address of the page.
    pub fn text(&self, url: &str) -> String {
        let facts = self.facts.iter();
        let facts: Vec<_> = facts
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let facts = facts.join("\n");
        format!("{}\n\n{facts}\n\n{}\n{url}\n", self.subject, self.call)
    }
}

/// What happened to a request, in words.
pub fn told(kind: &str, request: &ApprovalRequest, language: Language) -> Told {
    let ja = language == Language::Japanese;
    let say = |japanese: &'static str, english: &'static str| if ja { japanese } else { english };
    let target = request.call.target.to_string();
    let who = one_line(&request.shown.requester);
    let (what, call) = match kind {
        "requested" => (
            say("承認依頼", "Approval needed"),
            say(
                "内容を確認して、承認または拒否してください。",
                "Look at it, then approve or refuse:",
            ),
        ),
        "changed" => (
            say("承認依頼が変更されました", "Approval request changed"),
            say(
                "変更後の内容を確認して、承認または拒否してください。",
                "Look at it as it is now, then approve or refuse:",
            ),
        ),
        "approved" => (
            say("承認されました", "Approved"),
            say(
                "同じ内容でもう一度実行すると、一度だけ実行されます。",
                "Make the same call again: it is executed once.",
            ),
        ),
        "refused" => (
            say("拒否されました", "Refused"),
            say(
                "理由は次のページにあります。",
                "The reason is on this page:",
            ),
        ),
        _ => (
            say("期限が切れました", "Expired"),
            say(
                "必要なら、もう一度依頼してください。",
                "Ask again if it is still needed:",
            ),
        ),
    };
    let reasons = request.demands.iter();
    let reasons: Vec<_> = reasons.map(|demand| one_line(&demand.reason)).collect();
    let mut facts = vec![
        (say("依頼者", "Asked by"), who.clone()),
        (
            say("操作", "Call"),
            format!("{target} ({})", request.shown.class),
        ),
        (say("理由", "Why"), reasons.join(", ")),
        (say("リスク", "Risk"), risk(request.risk, ja).to_owned()),
        (
            say("環境", "Environment"),
            request.shown.environment.to_string(),
        ),
        (say("期限", "Until"), request.expires_at.to_string()),
    ];
    if let Some(client) = &request.shown.client {
        facts.insert(
            1,
            (
                say("クライアント (自称)", "Client (claimed)"),
                one_line(client),
            ),
        );
    }
    if let Some(closing) = request.closing.as_ref().and_then(|one| one.name.as_ref()) {
        facts.push((say("決定者", "Decided by"), one_line(closing)));
    }
    Told {
        subject: format!("[Sekimori] {what}: {who}, {target}"),
        facts,
        call,
    }
}

fn risk(risk: Risk, ja: bool) -> &'static str {
    match (risk, ja) {
        (Risk::Low, true) => "低",
        (Risk::Medium, true) => "中",
        (Risk::High, true) => "高",
        (risk, false) => risk.as_str(),
    }
}

/// Names come from outside: a line break in one would look like a fact of ours.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(200)
        .collect()
}
