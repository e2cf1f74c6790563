//! The load: callers that each send the same request again as soon as the answer is there.
//!
//! Threads and plain sockets: what the measurement itself costs must be small and must not share a
//! runtime with what is measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// What every caller sends.
pub(super) struct Request {
    address: SocketAddr,
    bytes: Vec<u8>,
    /// What must be in every answer.
    expected: Vec<u8>,
}

impl Request {
    /// A POST to `url`, which must be `http` with a numeric address.
    pub(super) fn post(
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
        expected: &str,
    ) -> Result<Self> {
        let rest = url
            .strip_prefix("http://")
            .context("the load goes over plain HTTP")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let address = host
            .parse()
            .with_context(|| format!("reading the address {host}"))?;
        let mut text = format!(
            "POST /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.extend(["\r\n", body]);
        Ok(Self {
            address,
            bytes: text.into_bytes(),
            expected: expected.as_bytes().to_vec(),
        })
    }
}

/// What came of it.
pub(super) struct Measured {
    pub(super) calls: usize,
    pub(super) seconds: f64,
    /// Sorted.
    latencies: Vec<Duration>,
}

impl Measured {
    /// The latency that this share of the calls did not exceed.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a count that is far below 2^52"
        )]
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).copied().unwrap_or_default()
    }

    /// Calls in each second.
    pub(super) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let calls = self.calls as f64;
        calls / self.seconds
    }
}

/// Lets `callers` call for `time`. One wrong answer fails the whole measurement.
pub(super) fn run(request: &Request, callers: usize, time: Duration) -> Result<Measured> {
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let results: Vec<Result<Vec<Duration>>> = thread::scope(|scope| {
        let callers: Vec<_> = (0..callers)
            .map(|_| scope.spawn(|| call_until(request, &stop, begun + time)))
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap_or_else(|_| bail!("a caller panicked")))
            .collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    let mut latencies = Vec::new();
    for result in results {
        latencies.extend(result?);
    }
    latencies.sort_unstable();
    ensure!(!latencies.is_empty(), "no call was answered");
    Ok(Measured {
        calls: latencies.len(),
        seconds,
        latencies,
    })
}

fn call_until(request: &Request, stop: &AtomicBool, end: Instant) -> Result<Vec<Duration>> {
    let called = call_in_a_row(request, stop, end);
    if called.is_err() {
        stop.store(true, Ordering::Relaxed);
    }
    called
}

fn call_in_a_row(request: &Request, stop: &AtomicBool, end: Instant) -> Result<Vec<Duration>> {
    let stream = TcpStream::connect(request.address).context("connecting")?;
    stream
        .set_nodelay(true)
        .context("setting up the connection")?;
    stream
        .set_read_timeout(Some(ANSWER_TIME_MAX))
        .context("setting up the connection")?;
    let mut writer = stream.try_clone().context("setting up the connection")?;
    let mut reader = BufReader::new(stream);
    let mut latencies = Vec::new();
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        writer.write_all(&request.bytes).context("sending a call")?;
        let (status, body) = read_answer(&mut reader).context("reading an answer")?;
        latencies.push(sent.elapsed());
        let good = status == 200 && contains(&body, &request.expected);
        ensure!(
            good,
            "got HTTP {status}: {}",
            String::from_utf8_lossy(&body)
        );
    }
    Ok(latencies)
}

/// One HTTP/1.1 response: with a length or in chunks.
fn read_answer(reader: &mut impl BufRead) -> Result<(u16, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("not an HTTP response: {line:?}"))?;
    let (mut length, mut chunked) = (0, false);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
    let mut body = Vec::new();
    if !chunked {
        reader.take(length).read_to_end(&mut body)?;
        return Ok((status, body));
    }
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim_end(), 16)?;
        reader.take(size).read_to_end(&mut body)?;
        line.clear();
        reader.read_line(&mut line)?;
        if size == 0 {
            return Ok((status, body));
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len().max(1)).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_with_a_length_or_in_chunks() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP";
        assert_eq!(read_answer(&mut &plain[..]).unwrap(), (200, b"ab".to_vec()));
        let chunked =
            b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(
            read_answer(&mut &chunked[..]).unwrap(),
            (404, b"abc".to_vec())
        );
        assert!(read_answer(&mut &b"nonsense\r\n"[..]).is_err());
    }

    #[test]
    fn quantiles_are_taken_from_the_sorted_calls() {
        let latencies: Vec<Duration> = (0..=100).map(Duration::from_millis).collect();
        let measured = Measured {
            calls: 101,
            seconds: 2.0,
            latencies,
        };
        assert_eq!(measured.quantile(0.5), Duration::from_millis(50));
        assert_eq!(measured.quantile(0.99), Duration::from_millis(99));
    }
}
