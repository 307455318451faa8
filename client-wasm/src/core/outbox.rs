//! The writes of one client on their way to the server, in the order of their making, whichever documents they are of.
//!
//! ```text
//!                     a socket of /v1/listen is open          none is
//!   queue  w1 w2 w3 w4 ──▶ frames, several under way          ──▶ POST /v1/commit, one at a time
//! ```
//!
//! 1. The server carries out a socket's writes one after the other, in the order of their frames, so several may be
//!    under way. Of one document only one is: listeners see its writes one by one ([`crate::core::view`]).
//! 2. The way changes only when nothing is under way. A socket that is lost takes what is under way with it.
//! 3. What has no final answer is sent again, with everything behind it, under the same idempotency key: nothing is
//!    done twice, whichever ways it went. A refusal lets the next one go.
//! 4. Writes under another token wait until those under way are answered. While the token of another identity is awaited,
//!    the socket speaks for the one before, and takes none.
//!
//! Reads, and what begins to listen, may wait for the writes made before them.

use crate::core::backoff::Backoff;
use crate::core::error::may_pass;
use crate::core::event::ConnectionState;
use crate::core::http::{Answer, Outgoing, of_one_write};
use crate::core::query_event::{Patience, QueryEffect, QueryTimer, Settled};
use blaze_schema::error::{Code, Error};
use blaze_schema::path::DocumentPath;
use std::collections::VecDeque;
use std::mem;
use std::rc::Rc;

/// Writes that are under way on a socket at a time.
pub const WINDOW: usize = 100;
/// Bytes of those, unless it is a single one.
pub const WINDOW_BYTES: usize = 512 * 1_024;
/// Attempts in a row that fail without an answer, after which nothing waits any more for the writes before it.
pub const PATIENCE: u32 = 4;

/// The queue.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Entry>,
    way: Way,
    is_socket_open: bool,
    /// True once a write was answered on this socket.
    is_socket_proven: bool,
    /// True while writes of an earlier token are under way on the socket.
    is_renewed: bool,
    /// True while the client has another identity than the socket.
    is_replaced: bool,
    failure: Option<Failure>,
    /// True after an attempt that [`Outbox::reached`] led to: the next one waits for the timer.
    is_woken: bool,
    /// Attempts in a row without an answer.
    unanswered: u32,
    backoff: Backoff,
    /// True while the application is told that writes do not get through.
    is_troubled: bool,
    waiting: Vec<Waiting>,
    /// The number of the last request.
    last_request: u64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    path: Rc<DocumentPath>,
    write: Rc<Outgoing>,
    is_under_way: bool,
}

/// The way that the writes under way took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    /// Nothing is.
    #[default]
    Neither,
    /// The request of this number.
    Http(u64),
    Socket,
}

/// The reason for which the first write waits for the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// There was no answer: it is sent again as soon as the server is known to be within reach.
    Lost,
    /// The server asks for it later.
    Later,
}

/// A read or a listener that waits for writes.
#[derive(Debug)]
struct Waiting {
    id: u64,
    /// The last of them.
    after: u64,
    patience: Patience,
}

impl Outbox {
    /// True if nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// True if a socket is faster: several writes are queued, or one is under way on a socket.
    pub fn wants_socket(&self) -> bool {
        self.queue.len() > 1 || (self.way == Way::Socket && !self.is_empty())
    }

    /// The last write that is queued; 0 if none is.
    pub fn last(&self) -> u64 {
        self.queue.back().map_or(0, |entry| entry.id)
    }

    /// Bytes of the writes that are under way on the socket.
    pub fn bytes_on_socket(&self) -> usize {
        if self.way != Way::Socket {
            return 0;
        }
        let sent = self.queue.iter().take_while(|entry| entry.is_under_way);
        sent.map(|entry| entry.write.bytes()).sum()
    }

    /// Queues a write; `id` is larger than any before.
    pub fn push(&mut self, id: u64, path: Rc<DocumentPath>, write: Rc<Outgoing>) {
        self.queue.push_back(Entry { id, path, write, is_under_way: false });
    }

    /// Sends every write that may be sent now.
    pub fn send(&mut self, effects: &mut Vec<QueryEffect>) {
        if self.failure.is_some() || matches!(self.way, Way::Http(_)) {
            return;
        }
        if self.is_socket_open && !self.is_replaced {
            self.send_frames(effects);
        } else if let (Way::Neither, Some(first)) = (self.way, self.queue.front_mut()) {
            first.is_under_way = true;
            let (id, path, write) = (first.id, Rc::clone(&first.path), Rc::clone(&first.write));
            effects.push(self.post(id, path, write));
        }
    }

    fn post(&mut self, id: u64, path: Rc<DocumentPath>, write: Rc<Outgoing>) -> QueryEffect {
        self.last_request += 1;
        self.way = Way::Http(self.last_request);
        QueryEffect::Post { request: self.last_request, id, path, write }
    }

    fn send_frames(&mut self, effects: &mut Vec<QueryEffect>) {
        let sent = self.queue.iter().take_while(|entry| entry.is_under_way).count();
        let mut bytes = self.bytes_on_socket();
        if sent > 0 && self.is_renewed {
            return;
        }
        self.is_renewed = false;
        for index in sent..self.queue.len().min(WINDOW) {
            let Entry { id, path, write, .. } = &self.queue[index];
            bytes += write.bytes();
            let is_free = self.queue.iter().take(index).all(|before| before.path != *path);
            if !is_free || (index > 0 && bytes > WINDOW_BYTES) {
                return;
            }
            effects.push(QueryEffect::Send(write.frame(*id)));
            self.queue[index].is_under_way = true;
            self.way = Way::Socket;
        }
    }

    /// The socket is open.
    pub fn opened(&mut self, effects: &mut Vec<QueryEffect>) {
        self.is_socket_open = true;
        self.is_socket_proven = false;
        self.is_renewed = false;
        self.reached(effects);
    }

    /// The socket is lost, or closed.
    pub fn closed(&mut self, random: u128, effects: &mut Vec<QueryEffect>) {
        self.is_socket_open = false;
        if self.way == Way::Socket && !self.queue.is_empty() {
            // A socket that served some of them is only worth another one.
            if mem::take(&mut self.is_socket_proven) {
                self.take_back();
            } else {
                let error = Error::new(
                    Code::Unavailable,
                    "the socket was lost before its writes were answered",
                );
                self.fail(Failure::Lost, error, random, effects);
            }
        }
        if self.way == Way::Socket {
            self.way = Way::Neither;
        }
    }

    /// Keeps writes off the socket until [`Outbox::renewed`]: the client has another identity, whose token is awaited.
    pub fn replaced(&mut self) {
        self.is_replaced = true;
    }

    /// The socket speaks for another token from now on.
    pub fn renewed(&mut self) {
        self.is_replaced = false;
        self.is_renewed = self.way == Way::Socket;
    }

    /// Handles the outcome of a request, and returns the end of its write, if it has one. Outcomes of earlier requests are
    /// ignored.
    pub fn answered(
        &mut self,
        request: u64,
        answer: Answer,
        random: u128,
        effects: &mut Vec<QueryEffect>,
    ) -> Option<Settled> {
        if self.way != Way::Http(request) {
            return None;
        }
        self.way = Way::Neither;
        let result = match answer {
            Answer::Done { version } => Ok(version),
            Answer::Refused(error) => Err(error),
            Answer::Again(error) => {
                self.fail(Failure::Later, error, random, effects);
                return None;
            }
            Answer::Lost(error) => {
                self.fail(Failure::Lost, error, random, effects);
                return None;
            }
        };
        self.settle(0, result, effects)
    }

    /// Handles the answer to a frame, and returns the end of its write, if it has one.
    pub fn written(
        &mut self,
        id: u64,
        result: Result<u64, Error>,
        random: u128,
        effects: &mut Vec<QueryEffect>,
    ) -> Option<Settled> {
        let mut sent = self.queue.iter().take_while(|entry| entry.is_under_way);
        let index = sent.position(|entry| entry.id == id).filter(|_| self.way == Way::Socket)?;
        match result {
            // Firestore's SDK repeats contention too. The server ends the socket after this.
            Err(error) if error.code != Code::Internal && may_pass(&error) => {
                self.is_socket_open = false;
                self.fail(Failure::Later, error, random, effects);
                None
            }
            result => {
                self.is_socket_proven = true;
                self.settle(index, result, effects)
            }
        }
    }

    fn settle(
        &mut self,
        index: usize,
        result: Result<u64, Error>,
        effects: &mut Vec<QueryEffect>,
    ) -> Option<Settled> {
        self.backoff.succeed();
        self.unanswered = 0;
        self.is_woken = false;
        let Entry { id, path, .. } = self.queue.remove(index)?;
        if self.queue.front().is_none_or(|entry| !entry.is_under_way) {
            self.way = Way::Neither;
        }
        if mem::take(&mut self.is_troubled) {
            effects.push(QueryEffect::Writing(ConnectionState::Idle));
        }
        self.release(effects);
        let result = result.map_err(|error| of_one_write(&path, error));
        Some(Settled { id, path, result })
    }

    /// Puts the writes under way back into the queue.
    fn take_back(&mut self) {
        self.queue.iter_mut().for_each(|entry| entry.is_under_way = false);
        self.way = Way::Neither;
    }

    fn fail(
        &mut self,
        failure: Failure,
        error: Error,
        random: u128,
        effects: &mut Vec<QueryEffect>,
    ) {
        self.take_back();
        self.failure = Some(failure);
        self.unanswered = if failure == Failure::Lost { self.unanswered + 1 } else { 0 };
        let after_ms = self.backoff.fail(random);
        effects.push(QueryEffect::StartTimer { timer: QueryTimer::Writes, after_ms });
        self.is_troubled = true;
        let state = ConnectionState::Offline { retry_in_ms: after_ms, error: Some(error) };
        effects.push(QueryEffect::Writing(state));
        self.release(effects);
    }

    /// The timer ran out.
    pub fn timer(&mut self) {
        self.failure = None;
        self.is_woken = false;
    }

    /// Sends again, once, writes that had no answer: the server is within reach.
    pub fn reached(&mut self, effects: &mut Vec<QueryEffect>) {
        if self.failure == Some(Failure::Lost) && !mem::replace(&mut self.is_woken, true) {
            self.failure = None;
            effects.push(QueryEffect::StopTimer(QueryTimer::Writes));
        }
    }

    /// Tries everything again now. A request under way may hang on a dead connection, and is made anew.
    pub fn retry(&mut self, effects: &mut Vec<QueryEffect>) {
        self.backoff.succeed();
        self.is_woken = false;
        if self.failure.take().is_some() {
            effects.push(QueryEffect::StopTimer(QueryTimer::Writes));
        }
        if let (Way::Http(_), Some(first)) = (self.way, self.queue.front()) {
            let (id, path, write) = (first.id, Rc::clone(&first.path), Rc::clone(&first.write));
            let again = self.post(id, path, write);
            effects.push(again);
        }
    }

    /// Calls `id` [`QueryEffect::Ready`] after the writes queued so far: those of the document at `path`, or all.
    pub fn wait(
        &mut self,
        id: u64,
        path: Option<&DocumentPath>,
        patience: Patience,
        effects: &mut Vec<QueryEffect>,
    ) {
        let of_path = |entry: &&Entry| path.is_none_or(|path| *entry.path == *path);
        let after = self.queue.iter().rev().find(of_path).map_or(0, |entry| entry.id);
        self.waiting.push(Waiting { id, after, patience });
        self.release(effects);
    }

    /// True while something that follows the write `after` is to wait. Without patience it does not wait for writes that
    /// fail; with patience it does while nothing answers, because then it would have no answer either.
    pub fn holds_up(&self, after: u64, patience: Patience) -> bool {
        let gives_up = match patience {
            Patience::UntilItFails => self.failure.is_some(),
            Patience::UntilItIsHopeless => {
                self.failure == Some(Failure::Later) || self.unanswered >= PATIENCE
            }
        };
        !gives_up && self.queue.front().is_some_and(|first| first.id <= after)
    }

    fn release(&mut self, effects: &mut Vec<QueryEffect>) {
        let mut waiting = mem::take(&mut self.waiting);
        waiting.retain(|one| {
            let waits = self.holds_up(one.after, one.patience);
            if !waits {
                effects.push(QueryEffect::Ready { id: one.id });
            }
            waits
        });
        self.waiting = waiting;
    }

    /// Gives up, and returns the ends of the queued writes.
    pub fn close(&mut self, effects: &mut Vec<QueryEffect>) -> Vec<Settled> {
        if self.failure.take().is_some() {
            effects.push(QueryEffect::StopTimer(QueryTimer::Writes));
        }
        let detail = "the client was closed before the write was answered";
        let error = Error::new(Code::Aborted, detail);
        let ended = |Entry { id, path, .. }| Settled { id, path, result: Err(error.clone()) };
        let ended = mem::take(&mut self.queue).into_iter().map(ended).collect();
        self.way = Way::Neither;
        if mem::take(&mut self.is_troubled) {
            effects.push(QueryEffect::Writing(ConnectionState::Idle));
        }
        self.release(effects);
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::change::Change;
    use serde_json::{Value, json};

    /// An outbox, and its effects in short.
    #[derive(Default)]
    struct Bench {
        outbox: Outbox,
        effects: Vec<QueryEffect>,
        last: u64,
    }

    const LATEST: u128 = u128::MAX;
    const DONE: Answer = Answer::Done { version: 7 };

    fn error(code: Code) -> Error {
        Error::new(code, "why")
    }

    impl Bench {
        fn with_socket() -> Self {
            let mut bench = Bench::default();
            bench.outbox.opened(&mut bench.effects);
            bench
        }

        /// Writes `bytes` to a document; gives the write's number.
        fn write(&mut self, document: &str, bytes: usize) -> u64 {
            self.last += 1;
            let path = DocumentPath::parse(&format!("c/{document}")).unwrap();
            let change = Change::set(json!({"t": "x".repeat(bytes)})).unwrap();
            let (_, write) = Outgoing::new(&path, change, format!("k{}", self.last));
            self.outbox.push(self.last, Rc::new(path), Rc::new(write));
            self.outbox.send(&mut self.effects);
            self.last
        }

        fn answered(&mut self, request: u64, answer: Answer) -> Option<Result<u64, Error>> {
            let settled = self.outbox.answered(request, answer, LATEST, &mut self.effects);
            self.outbox.send(&mut self.effects);
            settled.map(|settled| settled.result)
        }

        fn written(&mut self, id: u64, result: Result<u64, Error>) -> bool {
            let settled = self.outbox.written(id, result, LATEST, &mut self.effects);
            self.outbox.send(&mut self.effects);
            settled.is_some()
        }

        fn opened(&mut self) {
            self.outbox.opened(&mut self.effects);
            self.outbox.send(&mut self.effects);
        }

        fn closed(&mut self) {
            self.outbox.closed(LATEST, &mut self.effects);
            self.outbox.send(&mut self.effects);
        }

        fn timer(&mut self) {
            self.outbox.timer();
            self.outbox.send(&mut self.effects);
        }

        fn wait(&mut self, id: u64, document: Option<&str>, patience: Patience) {
            let path = document.map(|id| DocumentPath::parse(&format!("c/{id}")).unwrap());
            self.outbox.wait(id, path.as_ref(), patience, &mut self.effects);
        }

        fn told(&mut self) -> String {
            let short = |effect| match effect {
                QueryEffect::Send(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    format!("frame {}", frame["write"]["id"].as_str().unwrap())
                }
                QueryEffect::Post { request, id, .. } => format!("post {id} as {request}"),
                QueryEffect::StartTimer { after_ms, .. } => format!("{after_ms} ms"),
                QueryEffect::StopTimer(_) => "stop".to_owned(),
                QueryEffect::Ready { id } => format!("ready {id}"),
                QueryEffect::Writing(ConnectionState::Offline { .. }) => "troubled".to_owned(),
                QueryEffect::Writing(_) => "calm".to_owned(),
                other => format!("{other:?}"),
            };
            self.effects.drain(..).map(short).collect::<Vec<_>>().join(", ")
        }
    }

    #[test]
    fn by_http_one_write_goes_after_the_other() {
        let mut bench = Bench::default();
        bench.write("a", 1);
        bench.write("b", 1);
        assert_eq!(bench.told(), "post 1 as 1");
        assert!(bench.outbox.wants_socket(), "the second one waits");
        assert_eq!(bench.answered(9, DONE), None, "no such request");
        assert_eq!(bench.answered(1, DONE), Some(Ok(7)));
        assert_eq!(bench.told(), "post 2 as 2");
        assert!(!bench.outbox.wants_socket());
        let refused = bench.answered(2, Answer::Refused(error(Code::PermissionDenied)));
        assert_eq!(refused, Some(Err(error(Code::PermissionDenied))));
        assert!(bench.outbox.is_empty());
        assert_eq!(bench.answered(2, DONE), None);
    }

    #[test]
    fn by_socket_many_are_under_way_but_one_of_a_document() {
        let mut bench = Bench::with_socket();
        for document in ["a", "b", "a", "c"] {
            bench.write(document, 1);
        }
        assert_eq!(bench.told(), "frame 1, frame 2", "the fourth must not overtake the third");
        assert!(bench.written(2, Ok(1)));
        assert_eq!(bench.told(), "");
        assert!(bench.written(1, Err(error(Code::AlreadyExists))));
        assert_eq!(bench.told(), "frame 3, frame 4");
        assert!(!bench.written(9, Ok(1)) && !bench.written(1, Ok(1)), "no such write");
    }

    #[test]
    fn so_many_writes_and_bytes_are_under_way() {
        let mut bench = Bench::with_socket();
        for number in 0..WINDOW + 2 {
            bench.write(&number.to_string(), 1);
        }
        assert_eq!(bench.told().matches("frame").count(), WINDOW);
        assert!(bench.written(1, Ok(1)));
        assert_eq!(bench.told(), format!("frame {}", WINDOW + 1));
        let mut bench = Bench::with_socket();
        for (document, bytes) in [("a", 2 * WINDOW_BYTES), ("b", 1), ("c", WINDOW_BYTES)] {
            bench.write(document, bytes);
        }
        assert_eq!(bench.told(), "frame 1", "one alone may be as large as it likes");
        assert!(bench.outbox.bytes_on_socket() > 2 * WINDOW_BYTES);
        bench.written(1, Ok(1));
        assert_eq!(bench.told(), "frame 2");
        bench.written(2, Ok(1));
        assert_eq!(bench.told(), "frame 3");
    }

    #[test]
    fn the_way_changes_when_nothing_is_under_way() {
        let mut bench = Bench::default();
        bench.write("a", 1);
        bench.write("b", 1);
        bench.opened();
        assert_eq!(bench.told(), "post 1 as 1");
        bench.answered(1, DONE);
        assert_eq!(bench.told(), "frame 2");
        bench.write("c", 1);
        bench.written(2, Ok(1));
        assert_eq!(bench.told(), "frame 3");
        bench.closed();
        assert_eq!(bench.told(), "post 3 as 2", "the socket worked: nothing to wait for");
        bench.closed();
        assert_eq!(bench.told(), "");
    }

    #[test]
    fn what_had_no_answer_goes_again_with_growing_waits() {
        let mut bench = Bench::default();
        bench.write("a", 1);
        bench.write("b", 1);
        bench.answered(1, Answer::Lost(error(Code::Unavailable)));
        assert_eq!(bench.told(), "post 1 as 1, 250 ms, troubled");
        assert_eq!(bench.answered(1, DONE), None, "an echo");
        bench.timer();
        bench.answered(2, Answer::Again(error(Code::Aborted)));
        assert_eq!(bench.told(), "post 1 as 2, 500 ms, troubled");
        bench.opened();
        assert_eq!(bench.told(), "", "the server asked for it later");
        bench.timer();
        assert_eq!(bench.told(), "frame 1, frame 2");
        assert!(!bench.written(1, Err(error(Code::Unavailable))));
        assert_eq!(bench.told(), "1000 ms, troubled");
        assert!(!bench.written(2, Ok(1)), "it goes again with the first");
        bench.timer();
        assert_eq!(bench.told(), "post 1 as 3", "the server ends that socket");
        bench.answered(3, DONE);
        assert_eq!(bench.told(), "calm, post 2 as 4");
    }

    #[test]
    fn a_socket_that_served_nothing_is_a_failure() {
        let mut bench = Bench::with_socket();
        bench.write("a", 1);
        bench.closed();
        assert_eq!(bench.told(), "frame 1, 250 ms, troubled");
        bench.opened();
        assert_eq!(bench.told(), "stop, frame 1", "the server is within reach");
        bench.closed();
        bench.opened();
        assert_eq!(bench.told(), "500 ms, troubled", "once");
        bench.outbox.retry(&mut bench.effects);
        bench.outbox.send(&mut bench.effects);
        assert_eq!(bench.told(), "stop, frame 1");
    }

    #[test]
    fn a_request_that_may_hang_is_made_anew() {
        let mut bench = Bench::default();
        bench.write("a", 1);
        bench.outbox.retry(&mut bench.effects);
        assert_eq!(bench.told(), "post 1 as 1, post 1 as 2");
        assert_eq!(bench.answered(1, Answer::Lost(error(Code::Unavailable))), None);
        assert_eq!(bench.answered(2, DONE), Some(Ok(7)));
        assert_eq!(bench.told(), "");
    }

    #[test]
    fn writes_under_another_token_wait_for_those_before() {
        let mut bench = Bench::with_socket();
        bench.write("a", 1);
        bench.outbox.renewed();
        bench.write("b", 1);
        assert_eq!(bench.told(), "frame 1");
        bench.written(1, Ok(1));
        bench.write("c", 1);
        assert_eq!(bench.told(), "frame 2, frame 3");
    }

    #[test]
    fn a_socket_of_an_earlier_identity_takes_no_write() {
        let mut bench = Bench::with_socket();
        bench.write("a", 1);
        bench.outbox.replaced();
        bench.write("b", 1);
        bench.write("c", 1);
        assert_eq!(bench.told(), "frame 1");
        bench.written(1, Ok(1));
        assert_eq!(bench.told(), "post 2 as 1", "the request waits for the token");
        bench.outbox.renewed();
        bench.answered(1, DONE);
        assert_eq!(bench.told(), "frame 3");
    }

    #[test]
    fn a_read_waits_for_the_writes_of_its_document_until_one_fails() {
        let mut bench = Bench::default();
        bench.wait(10, Some("a"), Patience::UntilItFails);
        bench.write("a", 1);
        bench.write("b", 1);
        bench.wait(11, Some("a"), Patience::UntilItFails);
        bench.wait(12, None, Patience::UntilItFails);
        bench.wait(13, Some("c"), Patience::UntilItFails);
        assert_eq!(bench.told(), "ready 10, post 1 as 1, ready 13");
        bench.answered(1, DONE);
        assert_eq!(bench.told(), "ready 11, post 2 as 2");
        bench.answered(2, Answer::Lost(error(Code::Unavailable)));
        assert_eq!(bench.told(), "250 ms, troubled, ready 12");
        bench.wait(14, None, Patience::UntilItFails);
        assert_eq!(bench.told(), "ready 14");
    }

    #[test]
    fn a_listener_waits_until_waiting_is_hopeless() {
        let mut bench = Bench::default();
        bench.write("a", 1);
        bench.wait(10, None, Patience::UntilItIsHopeless);
        for attempt in 1..PATIENCE {
            bench.answered(u64::from(attempt), Answer::Lost(error(Code::Unavailable)));
            bench.timer();
        }
        assert!(!bench.told().contains("ready"));
        bench.answered(u64::from(PATIENCE), Answer::Lost(error(Code::Unavailable)));
        assert!(bench.told().contains("ready 10"));
        let mut bench = Bench::default();
        bench.write("a", 1);
        bench.wait(10, None, Patience::UntilItIsHopeless);
        bench.answered(1, Answer::Again(error(Code::Unavailable)));
        assert!(bench.told().contains("ready 10"), "the server answers, and may answer a listener");
    }

    #[test]
    fn closing_gives_every_write_an_end() {
        let mut bench = Bench::default();
        bench.write("a", 1);
        bench.write("b", 1);
        bench.wait(10, None, Patience::UntilItIsHopeless);
        let ended = bench.outbox.close(&mut bench.effects);
        assert_eq!(ended.iter().map(|settled| settled.id).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(bench.told(), "post 1 as 1, ready 10");
        bench.timer();
        assert_eq!(bench.told(), "");
    }
}
