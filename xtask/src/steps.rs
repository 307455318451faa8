//! The steps of a command that does them all, whatever came of the ones before.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The name, duration and success of each step that was done.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(&'static str, Duration, bool)>,
}

impl Steps {
    /// Does a step. Returns its value if it succeeded; else its error has been printed.
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> Result<T>,
    ) -> Option<T> {
        eprintln!("\n== {name}");
        let started = Instant::now();
        let result = step();
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        self.done.push((name, started.elapsed(), result.is_ok()));
        result.ok()
    }

    /// Prints the table of all steps.
    ///
    /// # Errors
    /// If any failed.
    pub(crate) fn finish(self) -> Result<()> {
        eprintln!();
        for (name, duration, ok) in &self.done {
            let verdict = if *ok { "ok" } else { "FAILED" };
            eprintln!("{name:<20} {verdict:<8} {:>6.1} s", duration.as_secs_f64());
        }
        match self.done.iter().filter(|(_, _, ok)| !ok).count() {
            0 => Ok(()),
            failed => bail!("{failed} of {} steps failed", self.done.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_step_that_fails_does_not_end_the_others() {
        let mut steps = Steps::default();
        assert_eq!(steps.run("first", || Err::<(), _>(anyhow!("no"))), None);
        assert_eq!(steps.run("second", || Ok(2)), Some(2));
        assert_eq!(steps.finish().unwrap_err().to_string(), "1 of 2 steps failed");
        let mut steps = Steps::default();
        steps.run("only", || Ok(()));
        assert!(steps.finish().is_ok());
    }
}
