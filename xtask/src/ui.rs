//! The one place in `xtask` that prints: steps with elapsed time and the table at the end.
//!
//! Progress goes to standard error, results to standard output, so that `--json` stays clean.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Prints one line of progress.
#[expect(clippy::print_stderr, reason = "the printer of xtask")]
pub(crate) fn note(text: impl Display) {
    eprintln!("{text}");
}

/// Prints one line of result.
#[expect(clippy::print_stdout, reason = "the printer of xtask")]
pub(crate) fn out(text: impl Display) {
    println!("{text}");
}

/// A step that has ended.
struct Done {
    name: String,
    took: Duration,
    passed: bool,
}

/// The steps of one command: says what runs, how long it took, and at the end what to run again.
pub(crate) struct Steps {
    again: &'static str,
    started: Instant,
    done: Vec<Done>,
}

impl Steps {
    /// Starts the clock. `again` is how a person reruns a failed step, with `{}` for its name.
    pub(crate) fn new(again: &'static str) -> Self {
        Self {
            again,
            started: Instant::now(),
            done: Vec::new(),
        }
    }

    /// Runs one step. A failed step ends the command through `?`.
    pub(crate) fn run<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        note(format_args!(
            "\n[{}] ▶ {name}",
            clock(self.started.elapsed())
        ));
        let begun = Instant::now();
        let result = step();
        let took = begun.elapsed();
        let (mark, passed) = if result.is_ok() {
            ("✔", true)
        } else {
            ("✘", false)
        };
        note(format_args!(
            "[{}] {mark} {name}: {}",
            clock(self.started.elapsed()),
            clock(took)
        ));
        self.done.push(Done {
            name: name.to_owned(),
            took,
            passed,
        });
        result
    }

    /// Prints the table of steps, and for a failed one how to run just that.
    pub(crate) fn summary(&self) {
        let width = self
            .done
            .iter()
            .map(|step| step.name.len())
            .max()
            .unwrap_or(0);
        note("");
        for step in &self.done {
            let verdict = if step.passed { "passed" } else { "FAILED" };
            note(format_args!(
                "  {verdict}  {:width$}  {}",
                step.name,
                clock(step.took)
            ));
        }
        note(format_args!(
            "  total   {:width$}  {}",
            "",
            clock(self.started.elapsed())
        ));
        for step in self.done.iter().filter(|step| !step.passed) {
            let again = self.again.replace("{}", &step.name);
            note(format_args!("\nRun just this again: {again}"));
        }
    }
}

/// Minutes, seconds and tenths.
fn clock(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    format!(
        "{:>2}:{:02}.{}",
        tenths / 600,
        tenths / 10 % 60,
        tenths % 10
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_shows_minutes_seconds_and_tenths() {
        assert_eq!(clock(Duration::from_millis(65_430)), " 1:05.4");
    }

    #[test]
    fn a_failed_step_ends_the_run_and_is_kept_for_the_summary() {
        let mut steps = Steps::new("cargo xtask ci --only {}");
        assert!(steps.run("good", || Ok(())).is_ok());
        assert!(
            steps
                .run("bad", || anyhow::bail!("broken") as Result<()>)
                .is_err()
        );
        let passed: Vec<bool> = steps.done.iter().map(|step| step.passed).collect();
        assert_eq!(passed, [true, false]);
    }
}
