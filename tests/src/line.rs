//! A line between clients and a server, on a port of its own: it counts, delays and falls silent.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// The line. Its threads end with their connections.
pub struct Line {
    port: u16,
    state: Arc<State>,
}

struct State {
    delay: Duration,
    preflights: AtomicUsize,
    silent: AtomicBool,
}

impl Line {
    /// Opens a line to the server at `url`, with this delay each way.
    pub fn to(url: &str, delay: Duration) -> Self {
        let server = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let (preflights, silent) = (AtomicUsize::new(0), AtomicBool::new(false));
        let state = Arc::new(State { delay, preflights, silent });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(&server) {
                    join(&client, &server, &shared);
                }
            }
        });
        Line { port, state }
    }

    /// Returns the URL that clients connect to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the number of preflight requests that went over the line.
    pub fn preflights(&self) -> usize {
        self.state.preflights.load(Ordering::Relaxed)
    }

    /// Stops all traffic from now on without telling anybody, or lets it through again, on new connections.
    pub fn silence(&self, silent: bool) {
        self.state.silent.store(silent, Ordering::Relaxed);
    }
}

fn join(client: &TcpStream, server: &TcpStream, state: &Arc<State>) {
    for (from, to) in [(client, server), (server, client)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
        let state = Arc::clone(state);
        thread::spawn(move || carry(from, to, &state));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut buffer = vec![0; 64 * 1_024];
    let mut lost = false;
    while let Ok(bytes @ 1..) = from.read(&mut buffer) {
        // Bytes lost once are lost for good: the connection does not recover.
        lost |= state.silent.load(Ordering::Relaxed);
        if lost {
            continue;
        }
        if buffer.starts_with(b"OPTIONS ") {
            state.preflights.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(state.delay);
        if to.write_all(&buffer[..bytes]).is_err() {
            break;
        }
    }
    if !lost {
        let _ = to.shutdown(Shutdown::Write);
    }
}
