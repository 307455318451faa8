//! The end of a history: what must hold when nothing happens any more.

use super::Faults;
use super::oracle::present;
use super::rules::Who;
use super::shell::Heard;
use super::watch::{Filter, shown};
use super::workload::{ANSWER_MICROS, World};
use blaze_schema::timestamp::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl World {
    /// Ends the faults, and checks what must hold when nothing happens any more.
    pub(super) fn finish(&mut self) {
        self.cluster.set_faults(Faults::default());
        for _ in 0..30 {
            self.pass(3_000_000);
        }
        assert!(self.pending.is_empty(), "not answered: {:?}", self.pending);
        for socket in self.sockets.values() {
            socket.check_present(&self.cluster.history);
        }
        for (collection, from) in [
            ("open", json!("open")),
            ("notes", json!("notes")),
            ("rooms/r/messages", json!("rooms/r/messages")),
            ("rooms/r/messages", json!({"group": "messages"})),
        ] {
            self.check_index(collection, &from);
        }
        // Indexes that were asked follow new settings, if they did not yet.
        self.pass(10_000_000);
        self.cluster.check_index_rows();
        self.check_markers();
        for (marker, path) in &self.refused {
            let mut states = self.cluster.history.values().flatten();
            let is_of_it = |data: &Value| data["last"] == **marker;
            let done = states.find(|state| state.data.as_ref().is_some_and(is_of_it));
            assert_eq!(done, None, "a write of {path} was refused, and done");
        }
    }

    fn check_index(&mut self, collection: &str, from: &Value) {
        let sent = self.sent(&Who::Root, "POST", "/v1/query", &json!({"from": from}));
        let request = self.cluster.request(sent);
        let until = Timestamp::from_micros(self.now() + ANSWER_MICROS);
        let mut found = None;
        while found.is_none() && self.cluster.step(until) {
            while let Some(heard) = self.cluster.hear() {
                if let Heard::Answer(of, Some(reply)) = heard
                    && of == request
                {
                    found = Some(reply);
                }
            }
        }
        let reply = found.unwrap_or_else(|| panic!("not answered: a query of {from}"));
        let body: Value = serde_json::from_str(&reply.body).expect("JSON");
        let documents = body["documents"].as_array();
        let documents = documents.unwrap_or_else(|| panic!("a query of {from}: {body}"));
        let found = documents.iter().filter_map(shown).map(|shown| (shown.path, shown.version));
        let found: Vec<(String, u64)> = found.collect();
        let present = present(&self.cluster.history, collection, &Filter::All);
        assert_eq!(found, present, "the index of {from}, and its documents");
    }

    /// Checks that no write was applied twice.
    fn check_markers(&self) {
        for (path, states) in &self.cluster.history {
            let mut markers = BTreeMap::new();
            for state in states {
                let marker = state.data.as_ref().and_then(|data| data["last"].as_str());
                if let Some(before) = marker.and_then(|one| markers.insert(one, state.version)) {
                    let version = state.version;
                    panic!("{path}: versions {before} and {version} are of one write");
                }
            }
        }
    }
}
