//! Servers whose documents are replaced from one case to the next, and the answers that their documents should give.

use crate::encode;
use blaze_schema::query::{Query, project};
use blaze_schema::value::Map;
use blaze_tests::client::{Client, documents};
use blaze_tests::query_oracle::{State, answer, is_aggregate};
use blaze_tests::server::TestServer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::thread;

/// A server, and the documents that it has.
pub(crate) struct Playground {
    _server: TestServer,
    client: Client,
    there: BTreeMap<String, Value>,
}

impl Playground {
    /// A server with these settings.
    pub(crate) fn new(collections: &Value) -> Self {
        let server = TestServer::start_with_collections(collections);
        Playground { client: server.client(), _server: server, there: BTreeMap::new() }
    }

    /// Makes these its documents, and no others.
    pub(crate) fn replace(&mut self, wanted: BTreeMap<String, Value>) {
        let (client, there) = (&self.client, &self.there);
        let gone = there.keys().filter(|path| !wanted.contains_key(*path)).map(|path| (path, None));
        let changed = wanted.iter().filter(|(path, data)| there.get(*path) != Some(data));
        let writes: Vec<(&String, Option<&Value>)> =
            gone.chain(changed.map(|(path, data)| (path, Some(data)))).collect();
        thread::scope(|scope| {
            for part in writes.chunks(writes.len().div_ceil(4).max(1)) {
                scope.spawn(|| part.iter().for_each(|(path, data)| write(client, path, *data)));
            }
        });
        self.there = wanted;
    }

    /// Asks a query as JSON.
    pub(crate) fn query(&self, query: &Value) -> Value {
        self.client.query(query)
    }

    /// Asks a query, and holds the answer against what looking at every document gives.
    pub(crate) fn check(&self, json: &Value, states: &[State]) -> Result<usize, String> {
        let query = Query::from_json(json.clone()).map_err(|error| error.to_string())?;
        let expected = answer(&query, states);
        let reply =
            self.client.post("/v1/query", json).try_send().map_err(|error| error.to_string())?;
        if reply.status != 200 {
            return Err(reply.text());
        }
        let found = reply.json();
        let shown = |data: &Map| Value::Object(project(data, query.select.as_deref()));
        let data = |state: &&State| state.data.as_ref().map(shown);
        let wanted: Vec<(&str, Option<Value>)> =
            expected.documents.iter().map(|state| (state.path.as_str(), data(state))).collect();
        let given: Vec<(&str, Option<Value>)> = documents(&found)
            .iter()
            .map(|one| (one["path"].as_str().unwrap_or_default(), one.get("data").cloned()))
            .collect();
        if given != wanted {
            return Err(format!("{found}\nis not {wanted:?}"));
        }
        if found.get("nextPageToken").is_some() != expected.more {
            return Err(format!("more is {}: {found}", expected.more));
        }
        Ok(wanted.len())
    }

    /// The same for aggregates.
    pub(crate) fn check_aggregates(
        &self,
        json: &Value,
        aggregates: &Value,
        states: &[State],
    ) -> Result<(), String> {
        let query = Query::from_json(json.clone()).map_err(|error| error.to_string())?;
        let body = json!({"query": json, "aggregates": aggregates});
        let reply = self.client.post("/v1/aggregate", &body).send();
        let found = answer(&query, states).documents;
        if reply.status == 200 && is_aggregate(&reply.json(), aggregates, &found) {
            return Ok(());
        }
        Err(format!("{aggregates} of {} documents is not {}", found.len(), reply.text()))
    }
}

fn write(client: &Client, path: &str, data: Option<&Value>) {
    let url = format!("/v1/docs/{}", encode(path).replace("%2F", "/"));
    let reply = match data {
        Some(data) => client.put(&url, data).send(),
        None => client.delete(&url).send(),
    };
    assert!(reply.status < 300, "{path}: {}", reply.text());
}
