//! The way back to a client while its call is under way, in both eras.

use std::sync::Arc;

use async_trait::async_trait;
use sekimori_domain::connector::Connector;
use sekimori_domain::limits;
use sekimori_mcp::envelope;
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::{self, code};
use sekimori_upstream::exchange::{Question, Reply};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::outlet::Outlet;
use super::rewrite::Rewrite;
use super::session::Session;
use crate::request::{ClientFeatures, ClientPort};

/// What of an upstream's notifications a client gets during its call, and in which form.
#[derive(Debug)]
pub(super) struct Voice {
    /// Where they go.
    pub(super) outlet: Arc<Outlet>,
    /// Completes when the client cancelled or went away.
    pub(super) gone: CancellationToken,
    rewrite: Rewrite,
    log_level: Option<String>,
    progress_token: Option<Box<RawValue>>,
}

impl Voice {
    /// For one call.
    pub(super) fn new(
        outlet: Arc<Outlet>,
        gone: CancellationToken,
        rewrite: Rewrite,
        features: &ClientFeatures,
    ) -> Self {
        Self {
            outlet,
            gone,
            rewrite,
            log_level: features.log_level.clone(),
            progress_token: features.progress_token.clone(),
        }
    }

    fn notify(&self, method: &str, params: Option<Box<RawValue>>) {
        let params = params.unwrap_or_else(|| RawObject::new().to_raw());
        if let Some(params) = self.admitted(method, params) {
            let params = self.rewrite.notification(method, params);
            self.outlet
                .notify(envelope::notification(method, Some(&params)));
        }
    }

    fn concerns(&mut self, connector: &Connector) {
        self.rewrite.concerns(connector);
    }

    /// The parameters to send; `None` if the client is not to get this notification here.
    fn admitted(&self, method: &str, params: Box<RawValue>) -> Option<Box<RawValue>> {
        match method {
            "notifications/progress" => {
                let token = self.progress_token.as_ref()?;
                let mut params = RawObject::from_raw(&params).ok()?;
                params.set("progressToken", token.clone());
                Some(params.to_raw())
            }
            "notifications/message" => {
                let wanted = severity(self.log_level.as_deref()?)?;
                let level = RawObject::from_raw(&params)
                    .ok()
                    .and_then(|params| severity(&params.get_str("level")?))?;
                (level >= wanted).then_some(params)
            }
            // Those of everybody go to who subscribed, not to who happens to call.
            "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/resources/updated"
            | "notifications/tasks"
            | "notifications/tasks/status"
            | "notifications/cancelled" => None,
            _ => Some(params),
        }
    }
}

/// How severe a log level is (RFC 5424, from debug to emergency).
pub(super) fn severity(level: &str) -> Option<usize> {
    const LEVELS: [&str; 8] = [
        "debug",
        "info",
        "notice",
        "warning",
        "error",
        "critical",
        "alert",
        "emergency",
    ];
    LEVELS.iter().position(|known| *known == level)
}

/// The way back to a modern client.
#[derive(Debug)]
pub(super) struct ModernPort(pub(super) Voice);

#[async_trait]
impl ClientPort for ModernPort {
    async fn notify(&mut self, method: &str, params: Option<Box<RawValue>>) {
        self.0.notify(method, params);
    }

    /// Never asked: see [`ClientPort::can_ask`].
    async fn ask(&mut self, _question: Question) -> Reply {
        Reply::Error(revision::error(
            code::INTERNAL_ERROR,
            "the client cannot be asked while its request is open",
        ))
    }

    fn can_ask(&self) -> bool {
        false
    }

    fn concerns(&mut self, connector: &Connector) {
        self.0.concerns(connector);
    }

    async fn gone(&mut self) {
        self.0.gone.cancelled().await;
    }
}

/// The way back to a legacy client.
#[derive(Debug)]
pub(super) struct LegacyPort {
    /// As in both eras.
    pub(super) voice: Voice,
    /// Whose client it is.
    pub(super) session: Arc<Session>,
}

#[async_trait]
impl ClientPort for LegacyPort {
    async fn notify(&mut self, method: &str, params: Option<Box<RawValue>>) {
        self.voice.notify(method, params);
    }

    async fn ask(&mut self, question: Question) -> Reply {
        let Some(mut pending) = self.session.ask() else {
            return Reply::Error(revision::error(
                code::INTERNAL_ERROR,
                "too many questions wait for this client",
            ));
        };
        let params = self
            .voice
            .rewrite
            .question(&question.method, question.params);
        self.voice.outlet.send(envelope::request(
            pending.id(),
            &question.method,
            params.as_deref(),
        ));
        tokio::select! {
            reply = pending.answered() => reply,
            () = tokio::time::sleep(limits::ELICITATION_TIMEOUT) => Reply::Error(revision::error(
                code::INTERNAL_ERROR,
                "the client did not answer in time",
            )),
        }
    }

    fn can_ask(&self) -> bool {
        true
    }

    fn concerns(&mut self, connector: &Connector) {
        self.voice.concerns(connector);
    }

    async fn gone(&mut self) {
        self.voice.gone.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekimori_mcp::revision::Era;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn voice(log_level: Option<&str>, token: Option<&str>) -> Voice {
        let features = ClientFeatures {
            era: Era::Modern,
            capabilities: RawObject::new(),
            log_level: log_level.map(str::to_owned),
            progress_token: token.map(raw),
        };
        Voice::new(
            Outlet::new(),
            CancellationToken::new(),
            Rewrite::none(),
            &features,
        )
    }

    fn sent(voice: &Voice, method: &str, params: &str) -> Option<String> {
        voice
            .admitted(method, raw(params))
            .map(|params| params.get().to_owned())
    }

    #[test]
    fn progress_carries_the_clients_own_token() {
        let params = r#"{"progressToken":"gate-7","progress":1,"total":2.50,"x":[1 ]}"#;
        let told = sent(
            &voice(None, Some("\"mine\"")),
            "notifications/progress",
            params,
        );
        assert_eq!(
            told.unwrap(),
            r#"{"progressToken":"mine","progress":1,"total":2.50,"x":[1 ]}"#
        );
        assert_eq!(
            sent(&voice(None, None), "notifications/progress", params),
            None
        );
    }

    #[test]
    fn log_messages_only_as_severe_as_asked_for() {
        let warning = r#"{"level":"warning","data":1}"#;
        let told = |level| sent(&voice(level, None), "notifications/message", warning);
        assert!(told(Some("debug")).is_some());
        assert!(told(Some("warning")).is_some());
        assert!(told(Some("error")).is_none());
        assert!(told(Some("loud")).is_none());
        assert!(told(None).is_none());
    }

    #[test]
    fn what_concerns_everybody_does_not_come_with_a_call() {
        for method in [
            "notifications/tools/list_changed",
            "notifications/resources/updated",
        ] {
            assert_eq!(sent(&voice(Some("debug"), None), method, "{}"), None);
        }
        let other = sent(
            &voice(None, None),
            "notifications/x.example/own",
            r#"{"a":1}"#,
        );
        assert_eq!(other.unwrap(), r#"{"a":1}"#);
    }

    #[tokio::test]
    async fn a_modern_client_is_never_asked() {
        let mut port = ModernPort(voice(None, None));
        assert!(!port.can_ask());
        let question = Question {
            key: "a".into(),
            method: "elicitation/create".into(),
            params: None,
        };
        assert!(matches!(port.ask(question).await, Reply::Error(_)));
        port.0.gone.cancel();
        port.gone().await;
    }
}
