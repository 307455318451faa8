//! How unkind a world is: every seed mixes its own, because a world with every fault at once never gets anywhere, and
//! one with few of them reaches deeper.

use crate::random::Random;

/// How often what goes wrong, in thousandths.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// A request never arrives.
    pub(super) lose_request: usize,
    /// It arrives twice.
    pub(super) repeat_request: usize,
    /// It is done, and nobody hears of it.
    pub(super) lose_answer: usize,
    /// A message takes seconds, up to longer than a client waits.
    pub(super) slow: usize,
    /// The object dies within a step, between two effects.
    pub(super) crash_in_step: usize,
    /// Its disk refuses a write.
    pub(super) disk_full: usize,
    /// At each tick: the object dies.
    pub(super) crash: usize,
    /// At each tick: the object's memory is gone, its sockets stay.
    pub(super) hibernate: usize,
    /// At each tick: a socket is cut.
    pub(super) cut_socket: usize,
    /// A cut is not told to the client.
    pub(super) silent_cut: usize,
    /// At each tick: a client loses its network for a while.
    pub(super) offline: usize,
    /// At each tick: a client's page is loaded anew; what it had queued is gone.
    pub(super) reload: usize,
    /// At each tick: an object loses everything it ever stored, which makes a new epoch.
    pub(super) wipe: usize,
}

impl Faults {
    pub(super) fn random(random: &mut Random) -> Self {
        let mut some = |low: usize, high: usize| match random.below(4) {
            0 | 1 => 0,
            2 => low,
            _ => high,
        };
        Faults {
            lose_request: some(20, 200),
            repeat_request: some(50, 400),
            lose_answer: some(20, 200),
            slow: some(20, 150),
            crash_in_step: some(20, 150),
            disk_full: some(10, 60),
            crash: some(50, 300),
            hibernate: some(100, 500),
            cut_socket: some(50, 400),
            silent_cut: some(200, 600),
            offline: some(50, 200),
            reload: some(10, 60),
            // Rarely: a wiped document says little about the rest.
            wipe: if random.below(8) == 0 { 30 } else { 0 },
        }
    }

    /// Whether one of these happens now.
    pub(super) fn strikes(random: &mut Random, thousandths: usize) -> bool {
        random.below(1_000) < thousandths
    }
}
