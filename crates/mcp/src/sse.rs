//! Server-sent events (WHATWG HTML): an encoder, and a decoder that takes bytes as they come.

use std::collections::VecDeque;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SseEvent {
    /// Its type; `None` stands for `message`.
    pub event: Option<String>,
    /// Its data: the lines, joined by line feeds. Not checked to be UTF-8.
    pub data: Vec<u8>,
    /// The last id sent so far, with this event or before.
    pub id: Option<String>,
}

/// The stream broke a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event or line is larger than {bytes_max} bytes")]
pub struct SseTooLarge {
    /// The limit.
    pub bytes_max: usize,
}

/// Takes a stream apart, in whatever pieces it comes.
#[derive(Debug)]
pub struct SseDecoder {
    bytes_max: usize,
    /// The line that is not ended yet.
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    event: Option<String>,
    id: Option<String>,
    retry_ms: Option<u64>,
    /// The last byte was a carriage return: a line feed right after it ends no further line.
    after_return: bool,
    first_line: bool,
    ready: VecDeque<SseEvent>,
}

impl SseDecoder {
    /// A decoder that takes lines and events of at most `bytes_max`.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            event: None,
            id: None,
            retry_ms: None,
            after_return: false,
            first_line: true,
            ready: VecDeque::new(),
        }
    }

    /// Takes the next bytes. After an error the stream cannot be read on.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), SseTooLarge> {
        while let Some(&first) = bytes.first() {
            if self.after_return {
                self.after_return = false;
                if first == b'\n' {
                    bytes = bytes.get(1..).unwrap_or_default();
                    continue;
                }
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                return self.append(bytes);
            };
            let (line, rest) = bytes.split_at(end);
            self.append(line)?;
            self.after_return = rest.first() == Some(&b'\r');
            bytes = rest.get(1..).unwrap_or_default();
            self.end_line()?;
        }
        Ok(())
    }

    /// The next whole event.
    pub fn next_event(&mut self) -> Option<SseEvent> {
        self.ready.pop_front()
    }

    /// How long to wait before connecting again, if the stream told.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    /// The last id of the stream, to resume after.
    pub fn last_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// A decoder for the stream that goes on where this one ended: the torn event is dropped, the last id
    /// and the waiting time are kept.
    #[must_use]
    pub fn resumed(self) -> Self {
        Self {
            id: self.id,
            retry_ms: self.retry_ms,
            ready: self.ready,
            ..Self::new(self.bytes_max)
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), SseTooLarge> {
        if self.line.len() + bytes.len() > self.bytes_max {
            return Err(self.too_large());
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn too_large(&self) -> SseTooLarge {
        SseTooLarge {
            bytes_max: self.bytes_max,
        }
    }

    fn end_line(&mut self) -> Result<(), SseTooLarge> {
        let line = std::mem::take(&mut self.line);
        let mut content = line.as_slice();
        if std::mem::take(&mut self.first_line) {
            content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        }
        let outcome = if content.is_empty() {
            self.dispatch();
            Ok(())
        } else {
            self.field(content)
        };
        // Keep the buffer for the next line.
        self.line = line;
        self.line.clear();
        outcome
    }

    fn field(&mut self, line: &[u8]) -> Result<(), SseTooLarge> {
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(at) => {
                let (name, rest) = line.split_at(at);
                let value = rest.get(1..).unwrap_or_default();
                (name, value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[] as &[u8]),
        };
        match name {
            b"data" => {
                if self.data.len() + value.len() + 1 > self.bytes_max {
                    return Err(self.too_large());
                }
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => self.event = Some(String::from_utf8_lossy(value).into_owned()),
            b"id" if !value.contains(&0) => {
                self.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"retry" => {
                let digits = std::str::from_utf8(value).ok();
                if let Some(retry_ms) = digits.and_then(|digits| digits.parse().ok()) {
                    self.retry_ms = Some(retry_ms);
                }
            }
            // A comment (empty name), or a field that this format does not know.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) {
        let event = self.event.take();
        if !std::mem::take(&mut self.has_data) {
            return;
        }
        self.ready.push_back(SseEvent {
            event,
            data: std::mem::take(&mut self.data),
            id: self.id.clone(),
        });
    }
}

/// A comment that keeps an idle stream open.
pub const KEEP_ALIVE: &[u8] = b":\n\n";

/// The bytes of a `message` event with one JSON text.
pub fn message(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 8);
    write_data(&mut out, data);
    out.push(b'\n');
    out
}

/// The bytes of an event with all its fields. Line breaks in `event` and `id` are left out.
pub fn event(event: &SseEvent, retry_ms: Option<u64>) -> Vec<u8> {
    let mut out = Vec::with_capacity(event.data.len() + 64);
    let mut field = |name: &str, value: &str| {
        out.extend_from_slice(name.as_bytes());
        out.extend(
            value
                .bytes()
                .filter(|byte| !matches!(byte, b'\n' | b'\r' | 0)),
        );
        out.push(b'\n');
    };
    if let Some(id) = &event.id {
        field("id: ", id);
    }
    if let Some(retry_ms) = retry_ms {
        field("retry: ", &retry_ms.to_string());
    }
    if let Some(name) = &event.event {
        field("event: ", name);
    }
    write_data(&mut out, &event.data);
    out.push(b'\n');
    out
}

fn write_data(out: &mut Vec<u8>, data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        // A bare carriage return would end the line early; compact JSON holds none.
        out.extend(line.iter().filter(|byte| **byte != b'\r'));
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(chunks: &[&[u8]]) -> Vec<SseEvent> {
        let mut decoder = SseDecoder::new(1_000);
        for chunk in chunks {
            decoder.push(chunk).unwrap();
        }
        std::iter::from_fn(|| decoder.next_event()).collect()
    }

    fn data(text: &str) -> SseEvent {
        SseEvent {
            data: text.into(),
            ..SseEvent::default()
        }
    }

    #[test]
    fn reads_every_line_ending_and_the_byte_order_mark() {
        for text in [
            "\u{feff}data: a\ndata: b\n\n",
            "data: a\r\ndata: b\r\n\r\n",
            "data: a\rdata: b\r\r",
            ": hello\n\ndata: a\ndata:b\n\n: bye\n\n",
        ] {
            assert_eq!(decode(&[text.as_bytes()]), [data("a\nb")], "{text:?}");
        }
    }

    #[test]
    fn reads_fields_and_ignores_the_rest() {
        let text = b"id: 7\nevent: endpoint\ndata: /m\nretry: 300\nretry: x\nother: 1\n\nevent: lost\n\ndata\n\nid: \0\ndata: c";
        let mut decoder = SseDecoder::new(100);
        decoder.push(text).unwrap();
        let first = decoder.next_event().unwrap();
        assert_eq!(first.event.as_deref(), Some("endpoint"));
        assert_eq!(
            (first.data.as_slice(), first.id.as_deref()),
            (b"/m".as_slice(), Some("7"))
        );
        let second = decoder.next_event().unwrap();
        assert_eq!((second.event, second.data), (None, Vec::new()));
        // The last event is not ended, so it never comes.
        assert_eq!(decoder.next_event(), None);
        assert_eq!(
            (decoder.retry_ms(), decoder.last_id()),
            (Some(300), Some("7"))
        );
    }

    #[test]
    fn lines_and_events_are_bounded() {
        let mut decoder = SseDecoder::new(10);
        assert!(decoder.push(&[b'a'; 11]).is_err());
        let mut decoder = SseDecoder::new(10);
        decoder.push(b"data:12345\n").unwrap();
        assert!(decoder.push(b"data:12345\n").is_err());
    }

    proptest! {
        /// How the bytes are cut never matters, and what is written reads back.
        #[test]
        fn cuts_do_not_matter(texts in proptest::collection::vec("[a-z\\n :é]{0,20}", 1..5), cut in 1_usize..7) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (index, text) in texts.iter().enumerate() {
                let sent = SseEvent { event: Some("e".into()), data: text.clone().into(), id: Some(index.to_string()) };
                bytes.extend(event(&sent, None));
                bytes.extend(KEEP_ALIVE);
                bytes.extend(message(text.as_bytes()));
                expected.push(sent.clone());
                expected.push(SseEvent { event: None, ..sent });
            }
            let chunks: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(decode(&chunks), expected);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = SseDecoder::new(64);
            prop_assert!(decoder.push(&bytes).is_ok() || bytes.len() > 60);
        }
    }
}
