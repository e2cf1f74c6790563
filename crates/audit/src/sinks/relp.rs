//! RELP: syslog messages that are acknowledged one by one.
//!
//! A frame is `NUMBER COMMAND LENGTH[ DATA]` LF. Numbers count up from 1 in each connection.

use std::time::Duration;

use async_trait::async_trait;
use sekimori_upstream::egress::{Dialer, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use super::event::{Event, Schema};
use super::syslog::{Facility, Format};
use super::{Transport, TransportError, end_of};

/// How long the receiver may take for a batch.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// Largest answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Greatest number of a frame; a new connection begins before.
const NUMBER_MAX: u64 = 999_999_000;
const OFFER: &str = "relp_version=0\nrelp_software=sekimori\ncommands=syslog";

/// A receiver of RELP.
pub struct Relp {
    dialer: Dialer,
    format: Format,
    session: Option<Session>,
}

impl std::fmt::Debug for Relp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relp")
            .field("dialer", &self.dialer)
            .finish_non_exhaustive()
    }
}

struct Session {
    stream: BufReader<Box<dyn Stream>>,
    number: u64,
    confirmed: Option<u64>,
}

impl Relp {
    /// A receiver behind `dialer`; `hostname` is ours.
    pub fn new(dialer: Dialer, hostname: String, facility: Facility, schema: Schema) -> Self {
        Self {
            dialer,
            format: Format {
                facility,
                schema,
                hostname,
            },
            session: None,
        }
    }
}

impl Session {
    async fn open(dialer: &Dialer) -> Result<Self, TransportError> {
        let stream = dialer
            .connect()
            .await
            .map_err(TransportError::Unreachable)?;
        let mut session = Self {
            stream: BufReader::new(stream),
            number: 0,
            confirmed: None,
        };
        let mut bytes = Vec::new();
        session.frame(&mut bytes, "open", OFFER);
        session.stream.get_mut().write_all(&bytes).await?;
        session.stream.get_mut().flush().await?;
        session.acknowledged().await?;
        Ok(session)
    }

    fn frame(&mut self, bytes: &mut Vec<u8>, command: &str, data: &str) {
        self.number += 1;
        let head = format!("{} {command} {} ", self.number, data.len());
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(data.as_bytes());
        bytes.push(b'\n');
    }

    /// Reads one answer, which must be a good one; the number that it answers.
    async fn acknowledged(&mut self) -> Result<u64, TransportError> {
        let number = self.word().await?;
        let number = number
            .parse()
            .map_err(|_| TransportError::Answer("no number"))?;
        if self.word().await? != "rsp" {
            return Err(TransportError::Answer("the receiver ends the session"));
        }
        let length: usize = self.word().await?.parse().unwrap_or(usize::MAX);
        if length > ANSWER_BYTES_MAX {
            return Err(TransportError::Answer("it is too long"));
        }
        let mut data = vec![0; length];
        self.stream.read_exact(&mut data).await?;
        if self.stream.read_u8().await? != b'\n' {
            return Err(TransportError::Answer("a frame does not end"));
        }
        if data.starts_with(b"200") {
            Ok(number)
        } else {
            Err(TransportError::Answer("it is no 200"))
        }
    }

    /// Up to the next space, or the end of the frame's head.
    async fn word(&mut self) -> Result<String, TransportError> {
        let mut word = String::new();
        loop {
            let byte = self.stream.read_u8().await?;
            match byte {
                b' ' => return Ok(word),
                // Every answer has data.
                b'\n' => return Err(TransportError::Answer("it is empty")),
                _ if word.len() < 16 => word.push(char::from(byte)),
                _ => return Err(TransportError::Answer("a word is too long")),
            }
        }
    }

    async fn exchange(&mut self, messages: &[String]) -> Result<(), TransportError> {
        let mut bytes = Vec::new();
        for message in messages {
            self.frame(&mut bytes, "syslog", message);
        }
        let last = self.number;
        let first = last + 1 - crate::frames::len(messages.len());
        self.stream.get_mut().write_all(&bytes).await?;
        self.stream.get_mut().flush().await?;
        for expected in first..=last {
            if self.acknowledged().await? != expected {
                return Err(TransportError::Answer("it answers another message"));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Transport for Relp {
    async fn deliver(&mut self, events: &[Event]) -> Result<(), TransportError> {
        let dialer = self.dialer.clone();
        let mut session = match self.session.take() {
            Some(session) if session.number < NUMBER_MAX => session,
            _ => timeout(ANSWER_TIMEOUT, Session::open(&dialer))
                .await
                .map_err(|_| TransportError::TimedOut)??,
        };
        let messages: Vec<String> = events
            .iter()
            .map(|event| self.format.message(event))
            .collect();
        // In small parts: the answers to them fit any buffer while we still write.
        for part in messages.chunks(32) {
            timeout(ANSWER_TIMEOUT, session.exchange(part))
                .await
                .map_err(|_| TransportError::TimedOut)??;
        }
        session.confirmed = end_of(events).or(session.confirmed);
        self.session = Some(session);
        Ok(())
    }

    async fn confirmed(&mut self) -> Result<Option<u64>, TransportError> {
        Ok(self.session.as_ref().and_then(|session| session.confirmed))
    }
}
