//! `blaze group`: the progress of a collection group that was declared late.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::administrator::Server;
use super::say;

/// Pause between two questions to the server.
const PAUSE: Duration = Duration::from_secs(1);

/// Which group.
#[derive(clap::Args)]
pub(super) struct Group {
    /// The id of its collections
    id: String,
    #[command(flatten)]
    server: Server,
}

/// Starts the joining if it is not under way, and shows its progress until all documents have joined. The joining
/// goes on by itself, even after this command has ended.
///
/// # Errors
/// The server's refusal.
pub(super) fn run(Group { id, server }: &Group) -> Result<()> {
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
