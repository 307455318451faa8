//! Faults of isolates and of the network between them.

use crate::random::Random;
use blaze_engine::actor::Call;

/// The rates of faults; all 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Most microseconds that a call, an answer or a frame is under way.
    pub delay: u64,
    /// Of 1,000 calls and requests between isolates, those that do not arrive.
    pub lost_before: u64,
    /// Of 1,000, those whose answers do not arrive.
    pub lost_after: u64,
    /// Of 1,000 calls that may be repeated, those that arrive twice.
    pub twice: u64,
    /// Of 10,000 steps, those at which the isolate ends: before the commit or after it.
    pub crash: u64,
    /// Of the ends of isolates in percent, those that only lose their memory: the sockets of objects stay.
    pub memory_only: u64,
    /// Of 10,000 steps, those at which the disk takes no changes.
    pub full: u64,
    /// Of 10,000 frames, those at which their socket breaks on the way.
    pub cut: u64,
    /// Most microseconds that an alarm rings late.
    pub late: u64,
    /// Of 100 alarms, those that ring once more.
    pub again: u64,
    /// Most microseconds that the clock of an isolate is fast or slow.
    pub skew: u64,
}

/// The fate of a call on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Arrives,
    LostBefore,
    LostAfter,
    Twice,
}

impl Faults {
    pub(super) fn delay(&self, random: &mut Random) -> i64 {
        match self.delay {
            0 => 0,
            // Most are quick.
            most if random.chance(90) => random.between(0, most / 20) as i64,
            most => random.between(0, most) as i64,
        }
    }

    pub(super) fn fate(&self, random: &mut Random, may_repeat: bool) -> Fate {
        let all = self.lost_before + self.lost_after + self.twice;
        if all == 0 {
            return Fate::Arrives;
        }
        let drawn = random.between(0, 999);
        match drawn {
            _ if drawn < self.lost_before => Fate::LostBefore,
            _ if drawn < self.lost_before + self.lost_after => Fate::LostAfter,
            _ if drawn < all && may_repeat => Fate::Twice,
            _ => Fate::Arrives,
        }
    }

    pub(super) fn crashes(&self, random: &mut Random) -> bool {
        self.crash > 0 && random.between(0, 9_999) < self.crash
    }
}

/// True if a call may arrive twice: the shell of the platform repeats none, but an object tells again what it got no
/// answer to.
pub(super) fn may_repeat(call: &Call) -> bool {
    matches!(
        call,
        Call::Update { .. }
            | Call::Tell { .. }
            | Call::Peek
            | Call::Snapshot { .. }
            | Call::Keys { .. }
            | Call::Lease { .. }
    )
}
