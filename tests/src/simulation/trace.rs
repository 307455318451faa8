//! What happened, line by line, and a hash of it.

use std::fmt::{self, Write};

/// The run so far.
pub(super) struct Trace {
    hash: u64,
    lines: u64,
    print: bool,
    line: String,
}

impl Trace {
    pub(super) fn new(print: bool) -> Self {
        // FNV-1a: any hash that every machine computes the same way would do.
        Trace { hash: 0xcbf2_9ce4_8422_2325, lines: 0, print, line: String::new() }
    }

    pub(super) fn line(&mut self, now: i64, what: fmt::Arguments<'_>) {
        self.line.clear();
        // Writing to a string does not fail.
        let _ =
            write!(self.line, "{:>11.3} ms  {what}", (now - super::world::START) as f64 / 1_000.0);
        for byte in self.line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.lines += 1;
        if self.print {
            println!("{}", self.line);
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn lines(&self) -> u64 {
        self.lines
    }
}
