//! What the tour showed: printed step by step, or as JSON at the end.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

use crate::ui::note;

/// One step of the tour.
#[derive(Serialize)]
pub(crate) struct Step {
    pub(crate) title: String,
    pub(crate) passed: bool,
    /// What a person would see, or what went wrong.
    pub(crate) saw: String,
    pub(crate) milliseconds: u64,
}

/// The tour so far. A failed step does not end it: a person wants to see what else works.
#[derive(Serialize, Default)]
pub(crate) struct Report {
    pub(crate) steps: Vec<Step>,
}

impl Report {
    /// Takes one step and shows it.
    pub(crate) fn step(&mut self, title: &str, take: impl FnOnce() -> Result<String>) {
        note(format_args!("\n{}. {title}", self.steps.len() + 1));
        let begun = Instant::now();
        let (passed, saw) = match take() {
            Ok(saw) => (true, saw),
            Err(error) => (false, format!("{error:#}")),
        };
        for line in saw.lines() {
            note(format_args!("   {line}"));
        }
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mark = if passed { "✔" } else { "✘ failed" };
        note(format_args!("   {mark} ({milliseconds} ms)"));
        self.steps.push(Step {
            title: title.to_owned(),
            passed,
            saw,
            milliseconds,
        });
    }

    /// How many steps failed.
    pub(crate) fn failed(&self) -> usize {
        self.steps.iter().filter(|step| !step.passed).count()
    }
}
