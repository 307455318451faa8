//! The deliberate faults of the shell, to see that the simulation notices.

/// A fault of orchestration that Blaze promises not to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A document is told that its index has a state before the index does.
    AnswerAhead,
    /// The first copy of rules and keys is taken as fresh for ever.
    SnapshotForEver,
    /// Documents that rules looked up once are kept for ever.
    LookupForEver,
    /// Attachments are never replaced.
    DropAttach,
    /// Sockets are not closed.
    DropClose,
    /// Alarms do not ring.
    NoAlarm,
    /// The end of an isolate ends the alarms of its objects.
    ForgetAlarms,
    /// The loss of a call is never reported.
    LoseTold,
    /// A write of a socket is carried out twice.
    DoubleWrite,
    /// The effects of a step are let out though its commit was rolled back.
    AnswerWithoutCommit,
    /// Now and then two frames of a socket change places.
    SwapFrames,
    /// Now and then a socket is left out of what a document sends to many.
    SkipBroadcasts,
    /// Now and then a socket is left out of what an index sends to many.
    SkipPublishing,
    /// A client that comes back to a document is taken to have missed nothing.
    ForgetMissed,
    /// `Idempotency-Key` does not reach the server.
    ForgetKeys,
    /// An index that lost its memory is not told of its sockets.
    ForgetSubscriptions,
    /// An index forgets at once that a document was deleted.
    ForgetTombstones,
    /// Answers to commits say the next version.
    LieAboutVersions,
    /// A disk that is full says that it took the change.
    LieAboutDisks,
}
