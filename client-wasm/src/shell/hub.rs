//! The client as its parts see it.

use crate::core::identity::Token;
use blaze_schema::Error;
use blaze_schema::path::DocumentPath;

/// The whole that a socket, a request or the credentials belong to: it is told by one part what concerns the others.
pub(crate) trait Hub {
    /// A number for a write, or for a wait for writes: larger than any before.
    fn new_id(&self) -> u64;

    /// Returns true after the application closed the client.
    fn is_closed(&self) -> bool;

    /// Returns true if anything is listened to.
    fn has_sockets(&self) -> bool;

    /// Takes note of a connection that changed.
    fn connection_changed(&self);

    /// Takes note that the server was reached: everything that waits for that tries again.
    fn reached(&self);

    /// Takes note that the server was not reached: open sockets are pinged.
    fn doubt(&self);

    /// Takes note that the server has no room for a request, which is sent again after so many milliseconds.
    fn pause(&self, retry_in_ms: u32, error: Error);

    /// Takes note that a request that waited is sent again.
    fn go_on(&self);

    /// Takes the end of a write.
    fn written(&self, path: &DocumentPath, id: u64, result: Result<u64, Error>);

    /// Tells sockets that they speak for an identity that the client no longer has.
    fn tell_replaced(&self);

    /// Tells sockets that the token of the new identity cannot be had.
    fn tell_nameless(&self, error: &Error);

    /// Lets open sockets say who this is from now on.
    fn tell_token(&self, token: &Token);
}
