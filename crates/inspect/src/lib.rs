//! Content inspection: what may go in and what may come out. Pure CPU.
//!
//! [`Scanner`] finds sensitive data: a text is folded (one spelling for many), labels, tables and runs of
//! digits are found once, every [detector](detector) looks at that, and overlaps are resolved. [`rules`] say what is
//! done about it, and [`Inspector`] does it on the road: [`Inspector::inspect_input`] to the arguments of a call,
//! [`Inspector::inspect_output`] to whatever comes back.

mod attachment;
mod check_digit;
mod class;
mod code;
mod column;
mod content;
pub mod detector;
mod dictionary;
mod document;
mod file;
mod finding;
mod html;
mod inspector;
mod json;
mod jsonl;
mod label;
mod lexicon;
mod mask;
mod names;
mod number;
mod office;
mod pdf;
pub mod poison;
mod report;
pub mod rules;
mod scan;
mod spots;
mod steering;
mod stream;
mod text;
mod token;

pub use class::{ClassRule, OwnClasses};
pub use code::{Code, Codes};
pub use dictionary::{TERMS_MAX, Terms, TermsError};
pub use file::{FILE_BYTES_MAX, FileError, FileText, Format, read_file};
pub use finding::{Class, ClassName, Finding, Kind, OwnClass};
pub use inspector::{CallContext, Checked, Edit, Inspector, Released};
pub use jsonl::{Entry, LINE_BYTES_MAX, ScanLinesError, scan_jsonl};
pub use mask::{JsonFinding, Masked};
pub use report::{Report, ReportLine, SuspicionLine};
pub use scan::Scanner;
pub use stream::{Masker, StreamError};
pub use token::{Issued, Tokeniser, Tokens, tokens_in};
