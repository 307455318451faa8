//! What can be broken on purpose, to see that the simulation notices.

/// A fault that Blaze promises not to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// The server does not look at `Idempotency-Key`.
    ForgetKeys,
    /// A crash loses the last commit, which was answered.
    LoseCommits,
    /// Now and then a socket is left out of a broadcast.
    SkipBroadcasts,
    /// Now and then two frames of a socket change places.
    SwapFrames,
    /// A listener that comes back is told that it missed nothing.
    ForgetMissed,
    /// Answers to writes say another version.
    LieAboutVersions,
    /// Alarms do not ring.
    NoAlarm,
    /// What is repeated after it was done is answered without a look at the indexes.
    TrustRepetitions,
    /// Reads are answered without a look at the indexes.
    ReadAhead,
    /// Changes are broadcast before the indexes have them.
    BroadcastAhead,
    /// An index takes whatever comes, be it older than what it has.
    ApplyOlder,
    /// An index forgets at once that a document was deleted.
    ForgetTombstones,
    /// Now and then the listeners of a query are not told of a change.
    SkipPublishing,
    /// An index that lost its memory does not look which queries its sockets are of.
    ForgetSubscriptions,
}
