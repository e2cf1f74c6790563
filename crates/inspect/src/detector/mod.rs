//! The detectors: one file each, one slice of all.
//!
//! Adding one: a file with `DETECTOR`, a line in [`ALL`], and `hit.txt` and `miss.txt` under
//! `tests/fixtures/<kind>/` (a test walks the slice and fails without them). A change that finds more or
//! less raises `version`: findings carry it.

mod address;
mod bank_account;
mod birth_date;
mod classification;
mod corporate_number;
mod credit_card;
mod drivers_license;
mod email;
mod employee_number;
mod employment_insurance;
mod health_insurance;
mod invoice_number;
mod ip_address;
mod my_number;
mod passport;
mod pension_number;
mod person;
mod phone;
mod postal_code;
mod residence_card;
mod secret;
mod sensitive;
mod vehicle_number;

pub(crate) use address::PLACES as PLACE_NAMES;
pub(crate) use classification::begins as begins_marking;
pub(crate) use secret::NAME as SECRET_NAMES;
pub(crate) use sensitive::begins as begins_sensitive;

use crate::document::Document;
use crate::finding::{Kind, Match};

/// Finds one kind of sensitive data.
#[derive(Debug)]
pub struct Detector {
    /// What it finds.
    pub kind: Kind,
    /// Version of its rule.
    pub version: u16,
    /// How it finds, in one line.
    pub approach: &'static str,
    find: fn(&Document, &mut Vec<Match>),
}

impl Detector {
    /// Adds what it finds in `document` to `found`.
    pub(crate) fn find(&self, document: &Document, found: &mut Vec<Match>) {
        let before = found.len();
        (self.find)(document, found);
        for candidate in found.iter_mut().skip(before) {
            candidate.rule = self.version;
        }
    }
}

/// Every detector.
pub static ALL: &[Detector] = &[
    address::DETECTOR,
    bank_account::DETECTOR,
    classification::DETECTOR,
    corporate_number::DETECTOR,
    credit_card::DETECTOR,
    drivers_license::DETECTOR,
    email::DETECTOR,
    employee_number::DETECTOR,
    employment_insurance::DETECTOR,
    health_insurance::DETECTOR,
    invoice_number::DETECTOR,
    ip_address::DETECTOR,
    my_number::DETECTOR,
    passport::DETECTOR,
    pension_number::DETECTOR,
    person::DETECTOR,
    phone::DETECTOR,
    postal_code::DETECTOR,
    residence_card::DETECTOR,
    secret::DETECTOR,
    sensitive::DETECTOR,
    vehicle_number::DETECTOR,
    // Behind those for people and for what is in their records: a date there is rather a date of birth.
    birth_date::DETECTOR,
];

/// The start of exactly `count` ASCII letters before `digits`, with up to two separators in between.
fn letters_before(document: &Document, digits: usize, count: usize) -> Option<usize> {
    let mut at = digits;
    while digits - at < 2 && matches!(document.folded.before(at), ' ' | '-' | '・' | '.') {
        at -= 1;
    }
    let start = at.checked_sub(count)?;
    let letters = document.folded.part(start, at);
    let exact = letters.iter().all(char::is_ascii_alphabetic)
        && !document.folded.before(start).is_ascii_alphanumeric()
        && !matches!(document.folded.before(start), '-' | '_');
    exact.then_some(start)
}
