//! The state of the connection, in words.

use blaze_client::ConnectionState;

/// The one word for the state.
pub(crate) fn word(state: &ConnectionState) -> &'static str {
    match state {
        ConnectionState::Connecting => "connecting",
        ConnectionState::Connected => "connected",
        ConnectionState::Offline { .. } => "offline",
        ConnectionState::Idle => "idle",
    }
}

/// When the next attempt comes, `elapsed_ms` after the state was entered; nothing when none is planned.
pub(crate) fn countdown(state: &ConnectionState, elapsed_ms: u32) -> Option<String> {
    let ConnectionState::Offline { retry_in_ms, .. } = state else { return None };
    Some(match retry_in_ms.saturating_sub(elapsed_ms).div_ceil(1000) {
        0 => "trying again…".to_owned(),
        seconds => format!("trying again in {seconds} s"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offline_counts_down_to_the_next_attempt() {
        let offline = ConnectionState::Offline { retry_in_ms: 2_500, error: None };
        assert_eq!(word(&offline), "offline");
        let after = |elapsed| countdown(&offline, elapsed).unwrap();
        assert_eq!(after(0), "trying again in 3 s");
        assert_eq!(after(1_600), "trying again in 1 s");
        assert_eq!(after(9_000), "trying again…");
        assert_eq!(countdown(&ConnectionState::Connected, 0), None);
    }
}
