//! Errors: those of what is closed, and which may pass.

use blaze_schema::error::{Code, Error};
use blaze_schema::wire::document::TOO_MANY;

/// What the close code of a socket says beyond that it is closed (`blaze_schema::wire::document::close_code`). All others may
/// pass.
pub fn close_error(code: u16) -> Option<Error> {
    let (code, detail) = match code {
        4401 => (Code::Unauthenticated, "the server ended the socket: the token is no good"),
        4403 => (Code::PermissionDenied, "the server ended the socket: this is not allowed"),
        4429 => (Code::ResourceExhausted, "the server ended the socket: there are too many"),
        _ => return None,
    };
    let status = if code == Code::ResourceExhausted { TOO_MANY } else { code.status() };
    Some(Error::new(code, detail).with_status(status))
}

/// True if the same request may be answered another way later. Too many requests pass (429); what is too large, or more
/// than this client may have, does not (413).
pub fn may_pass(error: &Error) -> bool {
    match error.code {
        Code::ResourceExhausted => error.status == TOO_MANY,
        Code::Aborted | Code::Unavailable | Code::Internal => true,
        Code::InvalidArgument
        | Code::Unauthenticated
        | Code::PermissionDenied
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Unimplemented => false,
    }
}

/// The error of a call that the end of the client left without an answer.
pub fn closed() -> Error {
    Error::new(Code::Aborted, "the client is closed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use blaze_schema::wire::document::close_code;

    #[test]
    fn a_close_code_is_the_error_that_it_was_made_of() {
        for code in [
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::ResourceExhausted,
            Code::Unavailable,
            Code::Internal,
        ] {
            let error = close_error(close_code(code));
            assert_eq!(error.is_some(), error.is_some_and(|error| error.code == code), "{code:?}");
        }
        let told = [4401, 4403, 4429, 1012, 1006].map(|code| close_error(code).is_some());
        assert_eq!(told, [true, true, true, false, false]);
    }
}
