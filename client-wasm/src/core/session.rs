//! Listening to one document over a [`Link`].
//!
//! The state survives a lost socket: the next one starts after it. It does not survive a gap: whatever led to that,
//! a snapshot mends it.

use crate::core::error::may_pass;
use crate::core::event::Effect;
use crate::core::link::{Link, LinkEffect};
use crate::core::state::{ServerState, Step};
use blaze_schema::error::{Code, Error};
use blaze_schema::wire::document::ServerMessage;

/// The session.
#[derive(Debug, Default)]
pub struct Session {
    link: Link,
    /// What the frames so far add up to; `None` before the first snapshot and after a gap.
    state: Option<ServerState>,
}

impl Session {
    /// The server's state, as far as it is known.
    pub fn state(&self) -> Option<&ServerState> {
        self.state.as_ref()
    }

    /// Starts to listen.
    pub fn listen(&mut self, effects: &mut Vec<Effect>) {
        self.link(effects, Link::start);
    }

    /// Stops to listen, and forgets the state.
    pub fn unlisten(&mut self, effects: &mut Vec<Effect>) {
        self.link(effects, Link::stop);
        self.state = None;
    }

    /// The socket is open.
    pub fn opened(&mut self, effects: &mut Vec<Effect>) {
        // A server that has nothing new for a known state says nothing.
        let expected = self.state.is_none();
        self.link(effects, |link, effects| {
            link.opened(expected, effects);
        });
    }

    /// A frame arrived. Returns whether the state moved.
    pub fn received(
        &mut self,
        message: Result<ServerMessage, Error>,
        random: u128,
        effects: &mut Vec<Effect>,
    ) -> bool {
        if !self.link.heard() {
            return false;
        }
        let step = match message {
            Ok(ServerMessage::Error(error)) => {
                if may_pass(&error) {
                    self.link(effects, |link, effects| link.ended(&error, random, effects));
                } else {
                    self.refused(error, effects);
                }
                return false;
            }
            Ok(message) => ServerState::step(&mut self.state, message),
            Err(error) => {
                self.broke(error, random, effects);
                return false;
            }
        };
        if step == Step::Gap {
            self.broke(Error::new(Code::Internal, "a frame does not fit"), random, effects);
        } else {
            self.link(effects, Link::worked);
        }
        step == Step::Moved
    }

    fn broke(&mut self, why: Error, random: u128, effects: &mut Vec<Effect>) {
        self.state = None;
        self.link(effects, |link, effects| link.broke(why, random, effects));
    }

    /// The socket was closed, or could not be opened.
    pub fn closed(&mut self, why: Option<Error>, random: u128, effects: &mut Vec<Effect>) {
        self.link(effects, |link, effects| link.closed(why, random, effects));
    }

    /// Listening is refused for good.
    pub fn refused(&mut self, error: Error, effects: &mut Vec<Effect>) {
        if self.link.is_started() {
            self.unlisten(effects);
            effects.push(Effect::Fail(error));
        }
    }

    /// The timer ran out.
    pub fn timer(&mut self, random: u128, effects: &mut Vec<Effect>) {
        self.link(effects, |link, effects| link.timer(random, effects));
    }

    /// The network is said to be back.
    pub fn retry(&mut self, effects: &mut Vec<Effect>) {
        self.link(effects, Link::retry);
    }

    /// The server is within reach.
    pub fn reached(&mut self, effects: &mut Vec<Effect>) {
        self.link(effects, Link::reached);
    }

    /// The server may be out of reach.
    pub fn doubt(&mut self, effects: &mut Vec<Effect>) {
        self.link(effects, Link::doubt);
    }

    /// Tells the link of something, and passes on what it asks for.
    fn link(
        &mut self,
        effects: &mut Vec<Effect>,
        tell: impl FnOnce(&mut Link, &mut Vec<LinkEffect>),
    ) {
        let mut asked = Vec::new();
        tell(&mut self.link, &mut asked);
        self.pass_on(asked, effects);
    }

    fn pass_on(&self, asked: Vec<LinkEffect>, effects: &mut Vec<Effect>) {
        effects.extend(asked.into_iter().map(|effect| match effect {
            LinkEffect::Open => {
                let since = self.state.as_ref();
                let since = since.map(|state| (state.version, state.epoch.clone()));
                Effect::OpenSocket { since }
            }
            LinkEffect::Close => Effect::CloseSocket,
            LinkEffect::Ping => Effect::SendPing,
            LinkEffect::StartTimer(after_ms) => Effect::StartTimer { after_ms },
            LinkEffect::StopTimer => Effect::StopTimer,
            LinkEffect::Connection(state) => Effect::Connection(state),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::event::ConnectionState;
    use blaze_schema::wire::document::{PONG, TOO_MANY, error_text, patch_text, snapshot_text};

    const LATEST: u128 = u128::MAX;

    /// A session, and its effects in short.
    #[derive(Default)]
    struct Bench {
        session: Session,
        effects: Vec<Effect>,
    }

    impl Bench {
        fn open() -> Self {
            let mut bench = Bench::default();
            bench.session.listen(&mut bench.effects);
            bench.session.opened(&mut bench.effects);
            bench.effects.clear();
            bench
        }

        fn told(&mut self) -> String {
            let short = |effect| match effect {
                Effect::OpenSocket { since: None } => "open".to_owned(),
                Effect::OpenSocket { since: Some((version, epoch)) } => {
                    format!("open {version}@{epoch}")
                }
                Effect::CloseSocket => "close".to_owned(),
                Effect::SendPing => "ping".to_owned(),
                Effect::StartTimer { after_ms } => format!("{after_ms} ms"),
                Effect::StopTimer => "stop".to_owned(),
                Effect::Connection(ConnectionState::Offline { retry_in_ms, error }) => {
                    let why = error.map_or(String::new(), |error| format!(": {}", error.detail));
                    format!("offline {retry_in_ms}{why}")
                }
                Effect::Connection(state) => format!("{state:?}"),
                Effect::Fail(error) => format!("fail {}", error.code.as_str()),
                other => format!("{other:?}"),
            };
            self.effects.drain(..).map(short).collect::<Vec<_>>().join(", ")
        }

        fn receive(&mut self, frame: &str) -> bool {
            let message = ServerMessage::parse(frame);
            self.session.received(message, LATEST, &mut self.effects)
        }

        fn close(&mut self) {
            self.session.closed(None, LATEST, &mut self.effects);
        }

        fn timer(&mut self) {
            self.session.timer(LATEST, &mut self.effects);
        }
    }

    fn snapshot(version: u64) -> String {
        snapshot_text("e", version, Some("{}"))
    }

    #[test]
    fn a_lost_socket_is_reopened_after_the_last_version() {
        let mut bench = Bench::default();
        bench.session.listen(&mut bench.effects);
        assert_eq!(bench.told(), "open, 10000 ms, Connecting");
        bench.session.opened(&mut bench.effects);
        assert_eq!(bench.told(), "10000 ms", "whose server is not known yet");
        assert!(bench.receive(&snapshot(3)));
        assert!(bench.receive(&patch_text(3, 4, "[]")));
        assert_eq!(bench.told(), "Connected");
        bench.close();
        assert_eq!(bench.told(), "close, 250 ms, offline 250");
        bench.close();
        assert_eq!(bench.told(), "", "it is closed already");
        bench.timer();
        assert_eq!(bench.told(), "open 4@e, 10000 ms, Connecting");
        bench.session.opened(&mut bench.effects);
        assert_eq!(bench.told(), "ping, 10000 ms", "nothing else may come");
        assert!(!bench.receive(PONG));
        assert_eq!(bench.told(), "Connected");
    }

    #[test]
    fn failures_in_a_row_wait_longer_and_a_frame_ends_the_row() {
        let mut bench = Bench::open();
        for wait in [250, 500, 1_000] {
            bench.close();
            assert_eq!(bench.told(), format!("close, {wait} ms, offline {wait}"));
            bench.timer();
            bench.effects.clear();
        }
        bench.timer();
        assert_eq!(
            bench.told(),
            "close, 2000 ms, offline 2000: the server did not answer in time",
            "too slow"
        );
        bench.session.retry(&mut bench.effects);
        assert_eq!(bench.told(), "open, 10000 ms, Connecting");
        bench.session.opened(&mut bench.effects);
        bench.receive(&snapshot(1));
        bench.effects.clear();
        bench.close();
        assert_eq!(bench.told(), "close, 250 ms, offline 250");
    }

    #[test]
    fn a_gap_asks_for_a_snapshot_and_a_repeated_gap_waits_longer() {
        let mut bench = Bench::open();
        bench.receive(&snapshot(3));
        bench.effects.clear();
        let (misfit, garbled) = ("a frame does not fit", "a message that no server sends");
        for (frame, wait, why) in
            [(patch_text(4, 5, "[]"), 250, misfit), ("garbled".to_owned(), 500, garbled)]
        {
            assert!(!bench.receive(&frame));
            assert_eq!(bench.told(), format!("close, {wait} ms, offline {wait}: {why}"));
            bench.timer();
            assert_eq!(bench.told(), "open, 10000 ms, Connecting");
            bench.session.opened(&mut bench.effects);
            bench.receive(&snapshot(5));
            bench.effects.clear();
        }
        bench.timer();
        bench.timer();
        bench.receive(PONG);
        bench.timer();
        bench.effects.clear();
        bench.close();
        assert_eq!(bench.told(), "close, 250 ms, offline 250", "mended by an answered ping");
    }

    #[test]
    fn silence_after_a_ping_is_a_lost_socket() {
        let mut bench = Bench::open();
        bench.receive(&snapshot(3));
        bench.timer();
        assert_eq!(bench.told(), "Connected, 10000 ms", "the snapshot came");
        bench.timer();
        assert_eq!(bench.told(), "ping, 5000 ms");
        bench.receive(PONG);
        bench.timer();
        assert_eq!(bench.told(), "10000 ms");
        bench.session.retry(&mut bench.effects);
        assert_eq!(bench.told(), "ping, 5000 ms");
        bench.timer();
        assert_eq!(bench.told(), "close, 250 ms, offline 250: the server did not answer in time");
    }

    #[test]
    fn a_snapshot_that_does_not_come_is_a_lost_socket() {
        let mut bench = Bench::open();
        bench.timer();
        assert_eq!(bench.told(), "close, 250 ms, offline 250: the server did not answer in time");
    }

    #[test]
    fn an_error_ends_listening_or_delays_it() {
        let mut bench = Bench::open();
        bench.receive(&error_text(&Error::new(Code::Unavailable, "later")));
        assert_eq!(bench.told(), "close, 250 ms, offline 250: later");
        let mut bench = Bench::open();
        let crowded = Error::new(Code::ResourceExhausted, "later").with_status(TOO_MANY);
        bench.receive(&error_text(&crowded));
        assert_eq!(bench.told(), "close, 5250 ms, offline 5250: later");
        let mut bench = Bench::open();
        bench.receive(&error_text(&Error::new(Code::ResourceExhausted, "your own limit")));
        assert_eq!(bench.told(), "close, stop, Idle, fail resource-exhausted");
        let mut bench = Bench::open();
        bench.receive(&error_text(&Error::new(Code::PermissionDenied, "no")));
        assert_eq!(bench.told(), "close, stop, Idle, fail permission-denied");
        bench.close();
        bench.timer();
        bench.session.retry(&mut bench.effects);
        assert_eq!(bench.told(), "");
        bench.session.listen(&mut bench.effects);
        assert_eq!(bench.told(), "open, 10000 ms, Connecting");
    }

    #[test]
    fn nothing_happens_after_the_last_listener_went() {
        let mut bench = Bench::open();
        bench.receive(&snapshot(3));
        bench.session.unlisten(&mut bench.effects);
        assert_eq!(bench.told(), "Connected, close, stop, Idle");
        assert!(!bench.receive(&snapshot(4)));
        bench.timer();
        bench.session.unlisten(&mut bench.effects);
        assert_eq!(bench.told(), "");
        assert_eq!(bench.session.state(), None);
    }
}
