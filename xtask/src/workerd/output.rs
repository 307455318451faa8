//! What a running `workerd` prints: its port, and the Worker's log.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdout};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Result};
use serde::Deserialize;

/// Where the Worker's log (`console.*`) and workerd's own messages go.
#[derive(Debug, Clone, Default)]
pub enum Log {
    /// Nowhere, but for the last lines, which are in the error if the server does not start.
    #[default]
    Discard,
    /// To this process's standard error.
    Inherit,
    /// Appended to a file.
    File(PathBuf),
}

/// The last lines printed, for error messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    const LINES: usize = 20;

    /// The lines, oldest first, as one text.
    pub(super) fn text(&self) -> String {
        self.0
            .lock()
            .map(|lines| lines.iter().cloned().collect::<Vec<_>>().join("\n"))
            .unwrap_or_default()
    }

    fn push(&self, line: &str) {
        let Ok(mut lines) = self.0.lock() else { return };
        if lines.len() == Self::LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }
}

/// A line that workerd writes to its control channel, here standard output: once per socket.
#[derive(Deserialize)]
struct ListenEvent {
    event: String,
    port: u16,
}

/// Where one of the two outputs is written.
pub(super) type Sink = Box<dyn Write + Send>;

/// Reads both outputs on threads of their own until they end. The port arrives on the returned channel, which
/// disconnects when the process has closed both: then `tail` has its last words.
pub(super) fn read(
    stdout: ChildStdout,
    stderr: ChildStderr,
    sinks: [Sink; 2],
    tail: &Tail,
) -> Receiver<u16> {
    let (port, listening) = mpsc::channel();
    let [to_stdout, to_stderr] = sinks;
    forward(stdout, to_stdout, tail.clone(), port.clone());
    forward(stderr, to_stderr, tail.clone(), port);
    listening
}

fn forward(from: impl Read + Send + 'static, mut to: Sink, tail: Tail, port: Sender<u16>) {
    thread::spawn(move || {
        // Lines are not always UTF-8: a Worker can log anything.
        for line in BufReader::new(from).split(b'\n').map_while(io::Result::ok) {
            let line = String::from_utf8_lossy(&line);
            match listen_port(&line) {
                // Nobody waits for it any more if starting was given up.
                Some(number) => _ = port.send(number),
                None => {
                    tail.push(&line);
                    // A full disk or a closed terminal must not stop the server: its pipe has to be drained.
                    drop(writeln!(to, "{line}"));
                }
            }
        }
    });
}

fn listen_port(line: &str) -> Option<u16> {
    let event: ListenEvent = serde_json::from_str(line).ok()?;
    (event.event == "listen").then_some(event.port)
}

/// Opens what `log` names.
///
/// # Errors
/// If the file cannot be opened for appending.
pub(super) fn open(log: &Log) -> Result<Sink> {
    Ok(match log {
        Log::Discard => Box::new(io::sink()),
        Log::Inherit => Box::new(io::stderr()),
        Log::File(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            Box::new(file.with_context(|| format!("opening the log {}", path.display()))?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Tail, listen_port};

    #[test]
    fn the_port_is_read_from_the_listen_event_only() {
        assert_eq!(listen_port(r#"{"event":"listen","socket":"http","port":34499}"#), Some(34499));
        assert_eq!(listen_port(r#"{"event":"other","port":1}"#), None);
        assert_eq!(listen_port("hello"), None);
    }

    #[test]
    fn the_tail_keeps_the_last_lines() {
        let tail = Tail::default();
        (0..30).for_each(|line| tail.push(&line.to_string()));
        assert!(tail.text().starts_with("10\n"));
        assert!(tail.text().ends_with("\n29"));
    }
}
