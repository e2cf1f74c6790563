//! Content inspection: what may go in and what may come out. Pure CPU.
//!
//! [`Scanner`] finds sensitive data: a text is folded (one spelling for many), labels, tables and runs of
//! digits are found once, every [detector](detector) looks at that, and overlaps are resolved. [`Inspector`]
//! holds the gate on the road.

mod check_digit;
mod column;
pub mod detector;
mod document;
mod finding;
mod jsonl;
mod label;
mod lexicon;
mod mask;
mod names;
mod number;
pub mod poison;
mod scan;
mod text;

pub use finding::{Class, Finding, Kind};
pub use jsonl::{Entry, LINE_BYTES_MAX, ScanLinesError, scan_jsonl};
pub use mask::{JsonFinding, Masked};
pub use scan::Scanner;

use sekimori_domain::arguments::Arguments;
use sekimori_domain::limits;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_domain::road::{Inspected, Permit};

/// Inspects content in both directions.
#[derive(Debug, Clone)]
pub struct Inspector {
    output_bytes_max: usize,
}

impl Default for Inspector {
    fn default() -> Self {
        Self {
            output_bytes_max: limits::UPSTREAM_MESSAGE_BYTES_MAX,
        }
    }
}

/// Content from an upstream that may go out.
#[derive(Debug)]
pub struct Released<T>(T);

impl<T> Released<T> {
    /// The content.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl Inspector {
    /// An inspector that lets answers of up to `output_bytes_max` bytes out.
    pub fn new(output_bytes_max: usize) -> Self {
        Self { output_bytes_max }
    }

    /// Whether `arguments` may go to the upstream.
    ///
    /// Refuses arguments other than those that the permit was made for: whoever changes them in between
    /// needs a new decision.
    #[expect(clippy::unused_self, reason = "its rules decide, once it has some")]
    pub fn inspect_input(
        &self,
        permit: Permit,
        arguments: Arguments,
    ) -> Result<Inspected, Refusal> {
        if permit.arguments_digest() != arguments.digest() {
            return Err(Refusal::new(
                RefusalCode::DependencyUnavailable,
                Stage::InspectInput,
                "the permit was made for other arguments",
            ));
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "content inspection is the one place that mints inspected content"
        )]
        Ok(Inspected::mint(permit, arguments, None))
    }

    /// Whether `content`, which takes `bytes` on the wire, may go to the caller.
    pub fn inspect_output<T>(&self, content: T, bytes: usize) -> Result<Released<T>, Refusal> {
        if bytes > self.output_bytes_max {
            return Err(Refusal::new(
                RefusalCode::TooLarge,
                Stage::InspectOutput,
                format!(
                    "the answer has {bytes} bytes, the limit is {}",
                    self.output_bytes_max
                ),
            ));
        }
        Ok(Released(content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_above_the_limit_stay_in() {
        let inspector = Inspector::new(10);
        assert_eq!(
            inspector
                .inspect_output("ten bytes!", 10)
                .unwrap()
                .into_inner(),
            "ten bytes!"
        );
        let refusal = inspector.inspect_output("eleven byte", 11).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::TooLarge);
        assert_eq!(refusal.stage, Stage::InspectOutput);
    }
}
