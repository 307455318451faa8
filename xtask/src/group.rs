//! `cargo xtask group`: how far a collection group is that was declared late.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::admin::Server;
use crate::process::say;

/// How often the server is asked.
const PAUSE: Duration = Duration::from_secs(1);

/// Which group.
#[derive(clap::Args)]
pub(crate) struct Group {
    /// The id of its collections
    id: String,
    #[command(flatten)]
    server: Server,
}

/// Sets the joining going if it is not, and shows how far it is until all documents have joined. It goes on by itself,
/// also when this command is ended.
///
/// # Errors
/// Why the server does not do it.
pub(crate) fn run(Group { id, server }: &Group) -> Result<()> {
    loop {
        let state = server.get(&format!("/v1/groups/{}", encoded(id)))?.done()?;
        if state["complete"] == Value::Bool(true) {
            println!("all documents of the group {id} have joined its index");
            return Ok(());
        }
        say(format!("{} documents have joined", state["documents"]));
        sleep(PAUSE);
    }
}

/// An id as a segment of a URL's path.
fn encoded(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode =
        |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    id.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment() {
        assert_eq!(encoded("messages"), "messages");
        assert_eq!(encoded("a b/é?"), "a%20b%2F%C3%A9%3F");
    }
}
