//! The server's log: lines on standard output, written by a thread of their own. A reader that stands still stops nobody, and
//! one that has gone ends nothing.

use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// Lines that wait to be written at most; later ones are lost.
const LINES: usize = 4_096;

/// The log.
#[derive(Clone, Debug)]
pub(crate) struct Log(SyncSender<String>);

impl Log {
    /// Starts the thread, which ends with the last copy of the log.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start() -> io::Result<Self> {
        let (sender, lines) = sync_channel::<String>(LINES);
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            for line in lines {
                let mut out = io::stdout().lock();
                writeln!(out, "{line}").and_then(|()| out.flush()).ok();
            }
        })?;
        Ok(Log(sender))
    }

    pub(crate) fn line(&self, line: String) {
        self.0.try_send(line).ok();
    }
}
