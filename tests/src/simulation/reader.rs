//! The real client's queries: what its applications are shown of them, with their own writes over it.

use super::links::{LinkReport, Owner};
use super::scene;
use super::world::{Happening, World};
use super::writes::ledger_tokens;
use blaze_client::core::event::Event;
use blaze_client::core::queries::Queries;
use blaze_client::core::query_event::{Patience, QueryEffect, QueryEvent, QueryTimer, Settled};
use blaze_client::core::query_json::asked;
use blaze_client::core::row::Rows;
use blaze_schema::query::Query;
use blaze_schema::wire::query::QueryMessage;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The queries of one client.
#[derive(Default)]
pub(super) struct Reader {
    queries: Queries,
    pub(super) link: Option<u64>,
    /// Number of times that each timer was started or stopped: an older one does not ring.
    timers: [u64; 5],
    targets: BTreeMap<u64, Query>,
    /// Actions that wait for writes.
    waiting: BTreeMap<u64, Waiting>,
    /// Number of the last commit of its writes that is known to be done.
    pub(super) committed: u64,
}

/// An action that a peer takes after the writes that were made before it.
#[derive(Clone, Copy)]
pub(super) enum Waiting {
    Listen(usize),
    Read(usize),
}

impl Reader {
    /// The page is loaded anew. The connection that it had.
    pub(super) fn reload(&mut self) -> Option<u64> {
        let link = self.link;
        let timers = self.timers.map(|started| started + 1);
        *self = Reader { timers, ..Reader::default() };
        link
    }
}

impl World {
    /// The application listens to another query, or to one less.
    pub(super) fn toggle_reading(&mut self, client: usize) {
        let numbers: Vec<u64> = self.readers[client].targets.keys().copied().collect();
        if numbers.len() >= 3 || (!numbers.is_empty() && self.random.chance(30)) {
            let target = *self.random.pick(&numbers);
            self.note(format_args!("reader {client}: not {target} any more"));
            self.readers[client].targets.remove(&target);
            return self.tell_reader(client, QueryEvent::Unlisten { target });
        }
        let query = scene::query(&mut self.random, &self.frame.sources());
        let target = self.new_id();
        self.note(format_args!("reader {client}: {target} is {}", query.to_json()));
        let json = query.to_json();
        let asked = asked(json.as_object().expect("a query is an object"));
        let asked = Value::Object(asked).to_string();
        self.readers[client].targets.insert(target, query.clone());
        let query = Box::new(query);
        self.tell_reader(client, QueryEvent::Listen { target, query, asked });
    }

    /// Tells the queries what happened, and does what they say.
    pub(super) fn tell_reader(&mut self, client: usize, event: QueryEvent) {
        let (now, random) = (self.clock(client), self.random.wide());
        for effect in self.readers[client].queries.handle(now, random, event) {
            match effect {
                QueryEffect::OpenSocket => self.open_link(Owner::Reader(client)),
                QueryEffect::CloseSocket => {
                    if let Some(link) = self.readers[client].link.take() {
                        self.hang_up(link);
                    }
                }
                QueryEffect::Send(text) => {
                    let link = self.readers[client].link.expect("what is sent needs a socket");
                    self.send_to_worker(link, text);
                }
                QueryEffect::StartTimer { timer, after_ms } => {
                    let started = self.restart_timer(client, timer);
                    let ring = Happening::ReaderRing { client, timer, started };
                    self.queue.after(i64::from(after_ms) * 1_000, ring);
                }
                QueryEffect::StopTimer(timer) => drop(self.restart_timer(client, timer)),
                QueryEffect::Changed => self.look(client),
                QueryEffect::Fail { target, error } => {
                    panic!("reader {client} stops listening to {target}: {error}")
                }
                QueryEffect::Connection(_) | QueryEffect::Writing(_) => {}
                QueryEffect::Post { request, path, write, .. } => {
                    let object = self.object_at(&path);
                    self.stats.count("write by HTTP");
                    self.fetch_write(client, object, request, write.request());
                }
                QueryEffect::Written(Settled { id, path, result }) => {
                    let object = self.object_at(&path);
                    let peer = self.peer_of(client, object);
                    self.tell(peer, Event::Answered { id, result });
                }
                QueryEffect::Ready { id } => match self.readers[client].waiting.remove(&id) {
                    Some(Waiting::Listen(peer)) => self.tell(peer, Event::Ready),
                    Some(Waiting::Read(peer)) => self.fetch(peer),
                    None => panic!("nobody waits as {id}"),
                },
            }
        }
    }

    /// A peer waits for the writes of its client.
    pub(super) fn wait(&mut self, client: usize, waiting: Waiting) {
        let id = self.new_id();
        self.readers[client].waiting.insert(id, waiting);
        let (path, patience) = match waiting {
            Waiting::Listen(_) => (None, Patience::UntilItIsHopeless),
            Waiting::Read(peer) => {
                let path = Rc::new(self.peers[peer].replica.path().clone());
                (Some(path), Patience::UntilItFails)
            }
        };
        self.tell_reader(client, QueryEvent::Wait { id, path, patience });
    }

    fn restart_timer(&mut self, client: usize, timer: QueryTimer) -> u64 {
        let started = &mut self.readers[client].timers[timer as usize];
        *started += 1;
        *started
    }

    pub(super) fn reader_rings(&mut self, client: usize, timer: QueryTimer, started: u64) {
        if self.readers[client].timers[timer as usize] == started {
            self.note(format_args!("reader {client}: {timer:?} timer"));
            self.tell_reader(client, QueryEvent::Timer(timer));
        }
    }

    pub(super) fn reader_hears(&mut self, client: usize, link: u64, report: LinkReport) {
        let event = match report {
            LinkReport::Opened => QueryEvent::Opened,
            LinkReport::Closed => {
                self.readers[client].link = None;
                self.hang_up(link);
                QueryEvent::Closed(None)
            }
            LinkReport::Frame(text, _) => {
                self.note(format_args!("reader {client}: {text}"));
                if text.starts_with("{\"id\"") {
                    self.stats.count("write by socket");
                }
                let frame = serde_json::from_str(&text).expect("a frame is JSON");
                QueryEvent::Received(QueryMessage::from_json(frame))
            }
        };
        self.tell_reader(client, event);
    }

    /// The application looks at what it is shown.
    fn look(&mut self, client: usize) {
        let targets: Vec<u64> = self.readers[client].targets.keys().copied().collect();
        for target in targets {
            let Some(rows) = self.readers[client].queries.rows(target) else { continue };
            let query = self.readers[client].targets[&target].clone();
            self.check_rows(client, &query, &rows);
        }
    }

    fn check_rows(&mut self, client: usize, query: &Query, rows: &Rows) {
        let pending = rows.iter().filter(|row| row.pending).count();
        self.note(format_args!("reader {client}: shows {} rows, {pending} pending", rows.len()));
        self.stats.count(if pending > 0 { "rows shown pending" } else { "rows shown" });
        for row in rows.iter().filter(|_| query.select.is_none()) {
            let objects = self.objects.iter().enumerate();
            let mut found = objects.filter(|(_, object)| object.path == *row.path);
            let (number, object) = found.next().expect("a document of this world");
            let data = Value::Object((*row.data).clone());
            let was = row.pending || object.history.had(row.version, &data);
            assert!(was, "{} never was {data} at version {}", row.path, row.version);
            if number == 0 && !object.history.is_rewritten() {
                ledger_tokens(&data);
            }
        }
    }

    /// Nothing is under way any more: applications see what the queries answer.
    pub(super) fn check_readers(&mut self) {
        for client in 0..self.readers.len() {
            for (target, query) in self.readers[client].targets.clone() {
                let rows = self.readers[client].queries.rows(target);
                let rows = rows.unwrap_or_else(|| panic!("reader {client} was shown no {target}"));
                let shown = rows.iter().map(|row| {
                    let times = row.times.as_ref().expect("a document has its times");
                    assert!(!row.pending, "reader {client}: {} is pending", row.path);
                    json!({
                        "path": row.path.as_str(), "id": row.path.id(), "version": row.version,
                        "createTime": times.created, "updateTime": times.updated, "data": *row.data,
                    })
                });
                let shown = Value::from(shown.collect::<Vec<_>>());
                let expected = Value::from(self.expected(&query));
                assert_eq!(
                    shown.to_string(),
                    expected.to_string(),
                    "reader {client}: {target}, {}",
                    query.to_json()
                );
            }
        }
    }

    /// A client writes, or hears what came of it.
    pub(super) fn tell_reader_of_write(&mut self, peer: usize, event: PeerWrite) {
        let client = self.peers[peer].client;
        let path = Rc::new(self.peers[peer].replica.path().clone());
        self.tell_reader(
            client,
            match event {
                PeerWrite::Made(operation) => QueryEvent::Write { path, operation },
                PeerWrite::Settled(version) => QueryEvent::Settled { path, version },
            },
        );
    }
}

/// What a replica does that concerns queries.
pub(super) enum PeerWrite {
    Made(Rc<blaze_schema::write::Operation>),
    /// At this version, or refused.
    Settled(Option<u64>),
}
