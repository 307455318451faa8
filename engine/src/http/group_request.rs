//! `GET /v1/groups/{id}`: the progress of the joining of a collection group's documents.

use super::reply::Reply;
use crate::index::joining::State;
use blaze_schema::error::Error;
use serde_json::json;

/// Makes the response of the answers that the objects of the group's index gave to
/// [`JOIN`](crate::index::object::JOIN).
pub fn reply(id: &str, states: &[String]) -> Reply {
    match states.iter().map(|state| serde_json::from_str::<State>(state)).collect() {
        Ok(states) => Reply::json(200, body(id, states)),
        Err(error) => Error::internal(format!("a group's index: {error}")).into(),
    }
}

fn body(id: &str, states: Vec<State>) -> String {
    let complete = states.iter().all(|state| state.whole);
    if complete {
        return json!({"group": id, "complete": true}).to_string();
    }
    let joined = states.iter().fold(0_u64, |sum, state| sum.saturating_add(state.documents));
    json!({"group": id, "complete": false, "documents": joined}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_complete_when_all_its_shards_are() {
        let shard = |whole: bool, documents: u64| {
            json!({"whole": whole, "documents": documents}).to_string()
        };
        let body = |states: &[String]| reply("m", states).body;
        assert_eq!(body(&[shard(true, 0)]), r#"{"complete":true,"group":"m"}"#);
        let two = [shard(false, 3), shard(true, 0), shard(false, 4)];
        assert_eq!(body(&two), r#"{"complete":false,"documents":7,"group":"m"}"#);
        assert_eq!(reply("m", &[String::new()]).status, 500);
    }
}
