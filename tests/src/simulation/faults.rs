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
    /// A frame is lost on an open socket: nothing that a network does, and still nothing that a client may fall for.
    pub(super) lose_frame: usize,
    /// A frame comes twice.
    pub(super) repeat_frame: usize,
    /// A cut is not told to the client.
    pub(super) silent_cut: usize,
    /// At each tick: a client loses its network for a while.
    pub(super) offline: usize,
    /// At each tick: a client's page is loaded anew; what it had queued is gone.
    pub(super) reload: usize,
    /// At each tick: an object loses everything it ever stored, which makes a new epoch.
    pub(super) wipe: usize,
    /// What a document tells an index never arrives.
    pub(super) lose_tell: usize,
    /// It arrives once more, at any time.
    pub(super) repeat_tell: usize,
    /// It is done, and the document does not hear of it.
    pub(super) lose_told: usize,
    /// The document dies soon after it began to tell.
    pub(super) crash_telling: usize,
    /// An index dies before it does what it is told, or after.
    pub(super) crash_index_in_step: usize,
    /// An index's disk refuses a write.
    pub(super) index_full: usize,
    /// An alarm rings late.
    pub(super) late_alarm: usize,
    /// An alarm rings once more.
    pub(super) repeat_alarm: usize,
    /// At each tick: an index dies.
    pub(super) crash_index: usize,
    /// At each tick: an index's memory is gone, its sockets stay.
    pub(super) hibernate_index: usize,
    /// At each tick: a connection on `/v1/listen` is cut, or a socket behind one.
    pub(super) cut_link: usize,
    /// At each tick: new settings for the indexes are deployed.
    pub(super) deploy: usize,
}

impl Faults {
    pub(super) fn random(random: &mut Random) -> Self {
        Faults {
            lose_request: mix(random, 20, 200),
            repeat_request: mix(random, 50, 400),
            lose_answer: mix(random, 20, 200),
            slow: mix(random, 20, 150),
            crash_in_step: mix(random, 20, 150),
            disk_full: mix(random, 10, 60),
            crash: mix(random, 50, 300),
            hibernate: mix(random, 100, 500),
            cut_socket: mix(random, 50, 400),
            silent_cut: mix(random, 200, 600),
            // In few worlds: where frames are lost, less can be said of what others mean.
            lose_frame: if random.below(8) == 0 { 50 } else { 0 },
            repeat_frame: if random.below(8) == 0 { 100 } else { 0 },
            offline: mix(random, 50, 200),
            reload: mix(random, 10, 60),
            // Rarely: a wiped document says little about the rest.
            wipe: if random.below(8) == 0 { 30 } else { 0 },
            lose_tell: mix(random, 50, 400),
            repeat_tell: mix(random, 50, 300),
            lose_told: mix(random, 50, 400),
            crash_telling: mix(random, 20, 200),
            crash_index_in_step: mix(random, 20, 150),
            index_full: mix(random, 20, 150),
            late_alarm: mix(random, 50, 500),
            repeat_alarm: mix(random, 50, 300),
            crash_index: mix(random, 50, 300),
            hibernate_index: mix(random, 100, 500),
            cut_link: mix(random, 20, 100),
            deploy: if random.below(4) == 0 { 20 } else { 0 },
        }
        .without_contradictions()
    }

    /// A patch does not say its epoch, so a client cannot see that a snapshot of a new epoch was lost. It need not:
    /// within a socket nothing is lost.
    fn without_contradictions(mut self) -> Self {
        if self.lose_frame > 0 {
            self.wipe = 0;
        }
        self
    }

    /// Whether one of these happens now.
    pub(super) fn strikes(random: &mut Random, thousandths: usize) -> bool {
        random.below(1_000) < thousandths
    }
}

/// None in half of the worlds, a few in some, many in the others.
fn mix(random: &mut Random, few: usize, many: usize) -> usize {
    match random.below(4) {
        0 | 1 => 0,
        2 => few,
        _ => many,
    }
}
