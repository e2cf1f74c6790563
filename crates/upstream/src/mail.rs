//! Sending mail by SMTP, behind the egress guard (RFC 5321, RFC 3207, RFC 4954).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::Uri;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::egress::{Egress, EgressError, HostPattern, Networks};

/// How long one mail may take.
const TIME_MAX: Duration = Duration::from_secs(30);
/// Most bytes of the server's greeting and of its answers before TLS.
const ANSWER_BYTES_MAX: usize = 8 * 1024;
/// What the library is told instead of the greeting that came before TLS.
const GREETING: &[u8] = b"220 ready\r\n";

/// How the connection to the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the beginning (usually port 465).
    Tls,
    /// TLS after `STARTTLS` (usually port 587); without it nothing is sent.
    StartTls,
    /// None: only in private networks.
    Plain,
}

/// A server that takes mail.
#[derive(Clone)]
pub struct MailServer {
    /// Host name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// User and password, if the server wants them. Never sent without TLS.
    pub login: Option<(String, String)>,
    /// Whether it may be in a private network.
    pub allow_private_network: bool,
}

impl fmt::Debug for MailServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailServer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .finish_non_exhaustive()
    }
}

/// One mail to one person.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Identifies it: `<left@right>`.
    pub message_id: String,
    /// When it was written.
    pub date: SystemTime,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// Text.
    pub text: String,
}

/// A mail was not sent. Messages hold no address and no secret.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The guard refused, or nobody answered.
    #[error("the mail server could not be reached: {0}")]
    Egress(EgressError),
    /// TLS could not be agreed on.
    #[error("TLS with the mail server failed")]
    Tls,
    /// An address or text that no mail can have.
    #[error("the mail can't be written: {0}")]
    Unwritable(&'static str),
    /// The server does not take this mail, now or ever.
    #[error("the mail server refused the mail")]
    Refused,
    /// The server does not take it now, or broke off.
    #[error("the mail server did not take the mail")]
    Failed,
    /// It took too long.
    #[error("the mail server did not answer in time")]
    TimedOut,
}

impl MailError {
    /// Whether trying again can't help.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Unwritable(_) | Self::Refused)
    }
}

/// Sends mail through one server.
#[derive(Debug)]
pub struct Mailer {
    server: MailServer,
    egress: Egress,
}

impl Mailer {
    /// Through that server, whose host is allowed by being configured.
    pub fn new(server: MailServer, egress: Egress) -> Self {
        Self { server, egress }
    }

    /// Sends one mail.
    pub async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = written(mail)?;
        let envelope = message.envelope().clone();
        let text = message.formatted();
        let sent = self.deliver(&envelope, &text);
        // Boxed: what a connection holds is large.
        tokio::time::timeout(TIME_MAX, Box::pin(sent))
            .await
            .map_err(|_| MailError::TimedOut)?
    }

    async fn deliver(&self, envelope: &Envelope, text: &[u8]) -> Result<(), MailError> {
        let stream = self.connect().await?;
        let hello = ClientId::Domain("sekimori.invalid".to_owned());
        let connection = AsyncSmtpConnection::connect_with_transport(stream, &hello).await;
        let mut connection = connection.map_err(|error| failed(&error))?;
        if let Some((user, password)) = self.login() {
            let credentials = Credentials::new(user.clone(), password.clone());
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            let allowed = connection.auth(&mechanisms, &credentials).await;
            // A wrong password is mended by the operator, and the mail is still wanted then.
            allowed.map_err(|_| MailError::Failed)?;
        }
        let sent = connection.send(envelope, text).await;
        let sent = sent.map(|_| ()).map_err(|error| failed(&error));
        // The mail was taken, or was not: how the goodbye goes changes nothing.
        let _goodbye = connection.quit().await;
        sent
    }

    /// The login, unless it would go over the network readably.
    fn login(&self) -> Option<&(String, String)> {
        let login = self.server.login.as_ref();
        login.filter(|_| self.server.security != MailSecurity::Plain)
    }

    async fn connect(&self) -> Result<Box<dyn AsyncTokioStream>, MailError> {
        let mut stream = self.dial().await?;
        let peer = stream.peer_addr().map_err(|_| MailError::Failed)?;
        let greeting: &[u8] = match self.server.security {
            MailSecurity::Plain => {
                let inner = Box::new(stream);
                return Ok(Box::new(Line::new(inner, peer, b"")));
            }
            MailSecurity::Tls => b"",
            MailSecurity::StartTls => {
                start_tls(&mut stream).await?;
                GREETING
            }
        };
        let name = ServerName::try_from(self.server.host.clone()).map_err(|_| MailError::Tls)?;
        let connector = TlsConnector::from(self.tls());
        let inner = connector.connect(name, stream).await;
        let inner = inner.map_err(|_| MailError::Tls)?;
        Ok(Box::new(Line::new(Box::new(inner), peer, greeting)))
    }

    fn tls(&self) -> Arc<ClientConfig> {
        self.egress.tls()
    }

    async fn dial(&self) -> Result<TcpStream, MailError> {
        let server = &self.server;
        // The guard reads it as it reads any address: without TLS only where private networks are allowed.
        let scheme = match server.security {
            MailSecurity::Plain => "http",
            MailSecurity::Tls | MailSecurity::StartTls => "https",
        };
        let authority = format!("{}:{}", server.host, server.port);
        let uri = Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query("/")
            .build()
            .map_err(|_| MailError::Egress(EgressError::NotAUrl))?;
        let networks = if server.allow_private_network {
            Networks::AlsoPrivate
        } else {
            Networks::Public
        };
        let pattern = HostPattern::exactly(&server.host, server.port);
        let dialled = self.egress.dial(&uri, pattern, networks).await;
        dialled.map_err(MailError::Egress)
    }
}

fn written(mail: &Mail) -> Result<Message, MailError> {
    let mailbox = |text: &str| text.parse::<Mailbox>();
    let from = mailbox(&mail.from).map_err(|_| MailError::Unwritable("the sender's address"))?;
    let to = mailbox(&mail.to).map_err(|_| MailError::Unwritable("an address"))?;
    // A line break would begin another header.
    let subject: String = mail.subject.chars().filter(|c| !c.is_control()).collect();
    let mut message = Message::builder()
        .message_id(Some(mail.message_id.clone()))
        .date(mail.date)
        .from(from)
        .to(to)
        .subject(subject)
        .singlepart(SinglePart::plain(mail.text.clone()))
        .map_err(|_| MailError::Unwritable("the text"))?;
    // Out-of-office replies to it would help nobody (RFC 3834).
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    let value = HeaderValue::new(name, "auto-generated".to_owned());
    message.headers_mut().insert_raw(value);
    Ok(message)
}

fn failed(error: &lettre::transport::smtp::Error) -> MailError {
    if error.is_permanent() {
        MailError::Refused
    } else {
        MailError::Failed
    }
}

/// The part of the exchange before TLS. Nothing of it is taken over: what an attacker adds to it is dropped with
/// it, and anything that came too early ends the connection (RFC 3207, and the attacks on it).
async fn start_tls(stream: &mut TcpStream) -> Result<(), MailError> {
    expect(stream, "220").await?;
    say(stream, b"EHLO sekimori.invalid\r\n").await?;
    let offered = expect(stream, "250").await?;
    if !offered.to_ascii_uppercase().contains("STARTTLS") {
        return Err(MailError::Tls);
    }
    say(stream, b"STARTTLS\r\n").await?;
    expect(stream, "220").await?;
    Ok(())
}

async fn say(stream: &mut TcpStream, line: &[u8]) -> Result<(), MailError> {
    stream.write_all(line).await.map_err(|_| MailError::Failed)
}

/// Reads one answer of any number of lines, and not a byte more.
async fn expect(stream: &mut TcpStream, code: &str) -> Result<String, MailError> {
    let mut text = Vec::new();
    let mut line_start = 0;
    loop {
        let byte = stream.read_u8().await.map_err(|_| MailError::Failed)?;
        text.push(byte);
        if text.len() > ANSWER_BYTES_MAX {
            return Err(MailError::Failed);
        }
        if byte != b'\n' {
            continue;
        }
        let line = text.get(line_start..).unwrap_or_default();
        let last = line.get(3) != Some(&b'-');
        let expected = line.starts_with(code.as_bytes());
        line_start = text.len();
        if !expected {
            return Err(MailError::Failed);
        }
        if last {
            return String::from_utf8(text).map_err(|_| MailError::Failed);
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A connection as the library takes it: whatever protects it, with a greeting before what is read from it.
struct Line {
    inner: Box<dyn Stream>,
    peer: SocketAddr,
    greeting: &'static [u8],
}

impl Line {
    fn new(inner: Box<dyn Stream>, peer: SocketAddr, greeting: &'static [u8]) -> Self {
        Self {
            inner,
            peer,
            greeting,
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let count = self.greeting.len().min(buffer.remaining());
            let (now, later) = self.greeting.split_at(count);
            buffer.put_slice(now);
            self.greeting = later;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
