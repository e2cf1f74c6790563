//! Any bytes into the event stream decoder, whole and byte by byte: both must bring the same events.
#![no_main]

use sekimori_mcp::sse::{SseDecoder, SseEvent};

fn decode(chunks: impl Iterator<Item = impl AsRef<[u8]>>) -> Option<Vec<SseEvent>> {
    let mut decoder = SseDecoder::new(1 << 16);
    for chunk in chunks {
        decoder.push(chunk.as_ref()).ok()?;
    }
    Some(std::iter::from_fn(|| decoder.next_event()).collect())
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert_eq!(decode(std::iter::once(bytes)), decode(bytes.chunks(1)));
});
