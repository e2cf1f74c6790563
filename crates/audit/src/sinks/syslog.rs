//! Syslog (RFC 5424) over TLS with octet counting (RFC 5425).
//!
//! TLS syslog has no acknowledgement: what was written may still lie in a buffer of a receiver that dies. So
//! receipt counts as certain only when the connection lived on for a while after; what was younger when it
//! broke is sent again.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sekimori_domain::clock::Clock;
use sekimori_upstream::egress::{Dialer, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::event::{Event, Schema};
use super::{Transport, TransportError, end_of};

/// How long a connection must live on until what was written to it counts as received.
const SETTLE_TIME: Duration = Duration::from_secs(30);
/// How long writing may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest message: what receivers take when they are told to (rsyslog: `maxMessageSize`).
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The number of structured data of ours. 32473 is the one of documentation, until we have our own.
const DATA_ID: &str = "audit@32473";

/// Which part of a system a message is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facility(u8);

impl Facility {
    /// Log audit (13).
    pub const AUDIT: Self = Self(13);

    /// A facility by its number, from 0 to 23.
    pub fn new(number: u8) -> Option<Self> {
        (number < 24).then_some(Self(number))
    }
}

/// How messages are written.
#[derive(Debug, Clone)]
pub(super) struct Format {
    pub(super) facility: Facility,
    pub(super) schema: Schema,
    pub(super) hostname: String,
}

impl Format {
    /// One message of RFC 5424, without a frame.
    pub(super) fn message(&self, event: &Event) -> String {
        let severity = match event.severity() {
            1 => 6,
            2 => 5,
            3 => 4,
            4 => 3,
            _ => 2,
        };
        let priority = u16::from(self.facility.0) * 8 + severity;
        let time = event.time().strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
        let host = printable(&self.hostname, 255);
        let kind = printable(event.kind(), 32);
        let mut message = format!("<{priority}>1 {time} {host} sekimori - {kind} [{DATA_ID}");
        parameter(&mut message, "origin", &event.origin);
        if let Some(sequence) = event.sequence() {
            parameter(&mut message, "sequence", &sequence.to_string());
        }
        // No byte order mark, which the RFC allows to leave out: readers of JSON stumble over it.
        message.push_str("] ");
        let room = MESSAGE_BYTES_MAX.saturating_sub(message.len());
        let text = event.text(self.schema);
        if text.len() <= room {
            message.push_str(&text);
        } else {
            // Whole or told to be missing: half a record is no record.
            let _: std::fmt::Result = write!(
                message,
                "{{\"too_long\":{},\"kind\":\"{}\"}}",
                text.len(),
                event.kind()
            );
        }
        message
    }
}

/// The characters that headers may have.
fn printable(text: &str, bytes_max: usize) -> String {
    let plain = |char: char| {
        if ('!'..='~').contains(&char) {
            char
        } else {
            '-'
        }
    };
    let text: String = text.chars().map(plain).take(bytes_max).collect();
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

fn parameter(message: &mut String, name: &str, value: &str) {
    let _: std::fmt::Result = write!(message, " {name}=\"");
    for char in value.chars() {
        if matches!(char, '"' | '\\' | ']') {
            message.push('\\');
        }
        message.push(char);
    }
    message.push('"');
}

/// A receiver of syslog over TLS.
pub struct SyslogTls {
    dialer: Dialer,
    format: Format,
    clock: Arc<dyn Clock>,
    connection: Option<Connection>,
    settle_time: Duration,
}

struct Connection {
    stream: Box<dyn Stream>,
    /// Ends of what was written, and when.
    sent: VecDeque<(u64, Duration)>,
    confirmed: Option<u64>,
}

impl std::fmt::Debug for SyslogTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyslogTls")
            .field("dialer", &self.dialer)
            .finish_non_exhaustive()
    }
}

impl SyslogTls {
    /// A receiver behind `dialer`; `hostname` is ours.
    pub fn new(
        dialer: Dialer,
        hostname: String,
        facility: Facility,
        schema: Schema,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            dialer,
            format: Format {
                facility,
                schema,
                hostname,
            },
            clock,
            connection: None,
            settle_time: SETTLE_TIME,
        }
    }

    /// With another time until what was written counts as received.
    #[must_use]
    pub fn settling(mut self, time: Duration) -> Self {
        self.settle_time = time;
        self
    }

    async fn connection(&mut self) -> Result<&mut Connection, TransportError> {
        if self.connection.is_none() {
            let stream = self
                .dialer
                .connect()
                .await
                .map_err(TransportError::Unreachable)?;
            self.connection = Some(Connection {
                stream,
                sent: VecDeque::new(),
                confirmed: None,
            });
        }
        self.connection.as_mut().ok_or(TransportError::TimedOut)
    }
}

/// Whether the other side is still there: it never says anything, so an end or an error shows at once.
async fn is_alive(stream: &mut Box<dyn Stream>) -> bool {
    let mut byte = [0];
    match timeout(Duration::from_millis(1), stream.read(&mut byte)).await {
        Err(_) => true,
        Ok(Ok(count)) => count > 0,
        Ok(Err(_)) => false,
    }
}

#[async_trait]
impl Transport for SyslogTls {
    async fn deliver(&mut self, events: &[Event]) -> Result<(), TransportError> {
        let mut bytes = Vec::new();
        for event in events {
            let message = self.format.message(event);
            bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
            bytes.extend_from_slice(message.as_bytes());
        }
        let now = self.clock.monotonic();
        let connection = self.connection().await?;
        let write = async {
            connection.stream.write_all(&bytes).await?;
            connection.stream.flush().await
        };
        let written = timeout(WRITE_TIMEOUT, write).await;
        let alive =
            written.as_ref().is_ok_and(Result::is_ok) && is_alive(&mut connection.stream).await;
        if alive {
            connection.sent.extend(end_of(events).map(|end| (end, now)));
            return Ok(());
        }
        self.connection = None;
        match written {
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(())) => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
            Err(_) => Err(TransportError::TimedOut),
        }
    }

    async fn confirmed(&mut self) -> Result<Option<u64>, TransportError> {
        let now = self.clock.monotonic();
        let settle_time = self.settle_time;
        let Some(connection) = &mut self.connection else {
            return Ok(None);
        };
        if !is_alive(&mut connection.stream).await {
            self.connection = None;
            return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into());
        }
        let settled = |sent: &(u64, Duration)| now.saturating_sub(sent.1) >= settle_time;
        while let Some((end, _)) = connection.sent.pop_front_if(|sent| settled(sent)) {
            connection.confirmed = Some(end);
        }
        Ok(connection.confirmed)
    }
}

#[cfg(test)]
mod tests {
    use sekimori_domain::Timestamp;

    use super::super::event::{Content, Heartbeat};
    use super::*;

    #[test]
    fn a_message_is_one_of_rfc_5424() {
        let format = Format {
            facility: Facility::AUDIT,
            schema: Schema::Native,
            hostname: "門 1".to_owned(),
        };
        let heartbeat = Heartbeat {
            time: Timestamp::UNIX_EPOCH,
            delivered: 3,
            size: 3,
            root: [0; 32],
            note: "a\nb".to_owned(),
        };
        let event = Event {
            origin: "gate/\"]\\".to_owned(),
            content: Content::Heartbeat(heartbeat),
        };
        let message = format.message(&event);
        let (head, text) = message.split_at(message.find('{').unwrap());
        assert_eq!(
            head,
            "<110>1 1970-01-01T00:00:00.000000Z --1 sekimori - audit.heartbeat \
             [audit@32473 origin=\"gate/\\\"\\]\\\\\"] "
        );
        let read: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(read["note"], "a\nb");
        assert_eq!(Facility::new(24), None);
    }
}
