//! The writes of one document on their way to the server: one at a time, in the order of their making, each until it
//! is answered.

use crate::backoff::Backoff;
use crate::event::{ConnectionState, Effect, Timer};
use crate::http::{Answer, Request};
use blaze_schema::error::{Code, Error};
use std::mem;
use std::rc::Rc;

/// The queue.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: Vec<Entry>,
    backoff: Backoff,
    phase: Phase,
    /// Whether the first write did not get through so far.
    troubled: bool,
    /// Reads that wait for the writes made before them.
    reads: Vec<WaitingRead>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    request: Rc<Request>,
}

/// What the first write of the queue waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing is queued, or its answer is awaited.
    #[default]
    Sent,
    /// The request failed; it is sent again when the timer runs out.
    Failing,
}

#[derive(Debug)]
struct WaitingRead {
    id: u64,
    /// The last write that was queued before the read.
    after: u64,
}

/// How a write ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The write.
    pub id: u64,
    /// The document's version after it, or why it was not done.
    pub result: Result<u64, Error>,
}

impl Outbox {
    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Queues a write; `id` is larger than any before.
    pub fn push(&mut self, id: u64, request: Request, effects: &mut Vec<Effect>) {
        self.queue.push(Entry { id, request: Rc::new(request) });
        if self.queue.len() == 1 {
            self.send(effects);
        }
    }

    /// The request of write `id` came back. Returns how the write ended, if it did. An answer to a write that is not
    /// the one on its way is an echo, and nothing.
    pub fn answered(
        &mut self,
        id: u64,
        answer: Answer,
        random: u128,
        effects: &mut Vec<Effect>,
    ) -> Option<Settled> {
        let expected = self.phase == Phase::Sent && self.queue.first()?.id == id;
        if !expected {
            return None;
        }
        let result = match answer {
            Answer::Done { version } => Ok(version),
            Answer::Refused(error) => Err(error),
            Answer::Again(error) => {
                self.phase = Phase::Failing;
                self.troubled = true;
                let after_ms = self.backoff.fail(random);
                effects.push(Effect::StartTimer { timer: Timer::Writes, after_ms });
                effects.push(Effect::Writing(ConnectionState::Offline {
                    retry_in_ms: after_ms,
                    error: Some(error),
                }));
                self.release_reads(u64::MAX, effects);
                return None;
            }
        };
        self.backoff.succeed();
        self.calm(effects);
        self.queue.remove(0);
        self.release_reads(id, effects);
        self.send(effects);
        Some(Settled { id, result })
    }

    /// The timer ran out, or the network is back: what failed is sent again.
    pub fn retry(&mut self, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Failing {
            effects.push(Effect::StopTimer(Timer::Writes));
            self.send(effects);
        }
    }

    /// The application wants to read. A read sees the writes made before it, so it waits for them; but not for writes
    /// that fail on the way, which may take for ever.
    pub fn read(&mut self, id: u64, effects: &mut Vec<Effect>) {
        match self.queue.last() {
            Some(last) if self.phase == Phase::Sent => {
                self.reads.push(WaitingRead { id, after: last.id });
            }
            _ => effects.push(Effect::Fetch { id }),
        }
    }

    /// Gives up. Returns what was queued.
    pub fn close(&mut self, effects: &mut Vec<Effect>) -> Vec<Settled> {
        self.phase = Phase::Sent;
        effects.push(Effect::StopTimer(Timer::Writes));
        self.calm(effects);
        self.release_reads(u64::MAX, effects);
        let detail = "the client was closed before the write was answered";
        let error = Error::new(Code::Aborted, detail);
        let ended = |entry: Entry| Settled { id: entry.id, result: Err(error.clone()) };
        mem::take(&mut self.queue).into_iter().map(ended).collect()
    }

    /// Writes get through, or there are none.
    fn calm(&mut self, effects: &mut Vec<Effect>) {
        if mem::take(&mut self.troubled) {
            effects.push(Effect::Writing(ConnectionState::Idle));
        }
    }

    fn send(&mut self, effects: &mut Vec<Effect>) {
        self.phase = Phase::Sent;
        if let Some(first) = self.queue.first() {
            effects.push(Effect::Send { id: first.id, request: Rc::clone(&first.request) });
        }
    }

    /// Lets the reads go that waited for no write beyond `settled`.
    fn release_reads(&mut self, settled: u64, effects: &mut Vec<Effect>) {
        self.reads.retain(|read| {
            let waits = read.after > settled;
            if !waits {
                effects.push(Effect::Fetch { id: read.id });
            }
            waits
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Method;

    fn request(name: &str) -> Request {
        Request { method: Method::Put, target: name.to_owned(), headers: Vec::new(), body: None }
    }

    /// Effects in short: `send w1`, `fetch 1`, `wait 250`, `stop`.
    fn told(effects: &mut Vec<Effect>) -> String {
        let short = |effect| match effect {
            Effect::Send { request, .. } => format!("send {}", request.target),
            Effect::Fetch { id } => format!("fetch {id}"),
            Effect::StartTimer { after_ms, .. } => format!("wait {after_ms}"),
            Effect::StopTimer(_) => "stop".to_owned(),
            Effect::Writing(ConnectionState::Offline { error, .. }) => {
                format!("troubled: {}", error.unwrap().detail)
            }
            Effect::Writing(_) => "calm".to_owned(),
            other => format!("{other:?}"),
        };
        effects.drain(..).map(short).collect::<Vec<_>>().join(", ")
    }

    fn again() -> Answer {
        Answer::Again(Error::new(Code::Unavailable, "lost"))
    }

    const DONE: Answer = Answer::Done { version: 7 };
    const LATEST: u128 = u128::MAX;

    #[test]
    fn one_write_at_a_time_in_order() {
        let (mut outbox, mut effects) = (Outbox::default(), Vec::new());
        outbox.push(1, request("w1"), &mut effects);
        outbox.push(2, request("w2"), &mut effects);
        assert_eq!(told(&mut effects), "send w1");
        assert_eq!(outbox.answered(2, DONE, 0, &mut effects), None);
        assert_eq!(told(&mut effects), "");
        let settled = outbox.answered(1, DONE, 0, &mut effects);
        assert_eq!(settled, Some(Settled { id: 1, result: Ok(7) }));
        assert_eq!(told(&mut effects), "send w2");
        let error = Error::invalid("no");
        let settled = outbox.answered(2, Answer::Refused(error.clone()), 0, &mut effects);
        assert_eq!(settled, Some(Settled { id: 2, result: Err(error) }));
        assert!(outbox.is_empty());
        assert_eq!(outbox.answered(2, DONE, 0, &mut effects), None);
    }

    #[test]
    fn a_failed_request_is_sent_again_with_growing_waits() {
        let (mut outbox, mut effects) = (Outbox::default(), Vec::new());
        outbox.push(1, request("w1"), &mut effects);
        outbox.answered(1, again(), LATEST, &mut effects);
        assert_eq!(told(&mut effects), "send w1, wait 250, troubled: lost");
        outbox.push(2, request("w2"), &mut effects);
        assert_eq!(outbox.answered(1, DONE, 0, &mut effects), None, "an echo while waiting");
        outbox.retry(&mut effects);
        outbox.answered(1, again(), LATEST, &mut effects);
        assert_eq!(told(&mut effects), "stop, send w1, wait 500, troubled: lost");
        outbox.retry(&mut effects);
        outbox.retry(&mut effects);
        assert_eq!(told(&mut effects), "stop, send w1", "a second retry is nothing");
        assert!(outbox.answered(1, DONE, 0, &mut effects).is_some());
        outbox.answered(2, again(), LATEST, &mut effects);
        assert_eq!(told(&mut effects), "calm, send w2, wait 250, troubled: lost");
    }

    #[test]
    fn a_read_follows_the_writes_before_it() {
        let (mut outbox, mut effects) = (Outbox::default(), Vec::new());
        outbox.read(1, &mut effects);
        assert_eq!(told(&mut effects), "fetch 1");
        outbox.push(1, request("w1"), &mut effects);
        outbox.read(2, &mut effects);
        outbox.push(2, request("w2"), &mut effects);
        outbox.read(3, &mut effects);
        assert_eq!(told(&mut effects), "send w1");
        outbox.answered(1, DONE, 0, &mut effects);
        assert_eq!(told(&mut effects), "fetch 2, send w2");
        outbox.answered(2, again(), LATEST, &mut effects);
        assert_eq!(told(&mut effects), "wait 250, troubled: lost, fetch 3");
        outbox.read(4, &mut effects);
        assert_eq!(told(&mut effects), "fetch 4", "no read waits for what fails");
    }

    #[test]
    fn closing_gives_every_write_an_end() {
        let (mut outbox, mut effects) = (Outbox::default(), Vec::new());
        outbox.push(1, request("w1"), &mut effects);
        outbox.push(2, request("w2"), &mut effects);
        let ended: Vec<u64> =
            outbox.close(&mut effects).into_iter().map(|settled| settled.id).collect();
        assert_eq!(ended, [1, 2]);
        outbox.retry(&mut effects);
        assert_eq!(told(&mut effects), "send w1, stop");
    }
}
