//! The reachability of the server: one state for all sockets and requests of a client.

/// The state.
#[derive(Debug, Default)]
pub struct Reach {
    /// True if something failed since the server was heard of last.
    doubted: bool,
}

impl Reach {
    /// Notes that the server was heard of. Returns true if that is news: then everything that waits tries again.
    pub fn reached(&mut self) -> bool {
        std::mem::take(&mut self.doubted)
    }

    /// Notes a lost socket, or a request without an answer. Returns true if that is news: then open sockets are pinged.
    pub fn failed(&mut self) -> bool {
        !std::mem::replace(&mut self.doubted, true)
    }
}

#[cfg(test)]
mod tests {
    use super::Reach;

    #[test]
    fn only_news_is_passed_on() {
        let mut reach = Reach::default();
        assert!(!reach.reached());
        assert!(reach.failed());
        assert!(!reach.failed());
        assert!(reach.reached());
        assert!(!reach.reached());
    }
}
