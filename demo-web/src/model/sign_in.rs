//! What is typed to sign in: what is missing in it, and what the server says of it, in words.

use blaze_client::{Code, Error};

/// The fewest bytes of a password that the server takes.
const PASSWORD: usize = 8;

/// What is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Intent {
    /// To sign in.
    #[default]
    SignIn,
    /// To make an account, and sign in.
    SignUp,
}

/// An input of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The email address.
    Email,
    /// The password.
    Password,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// In which input, if in one.
    pub(crate) input: Option<Input>,
    /// What.
    pub(crate) text: String,
}

impl Problem {
    fn new(input: impl Into<Option<Input>>, text: &str) -> Self {
        Problem { input: input.into(), text: text.to_owned() }
    }
}

/// Looks at what was typed before the server does.
///
/// # Errors
/// What is missing.
pub(crate) fn check(wish: Intent, email: &str, password: &str) -> Result<(), Problem> {
    if email.is_empty() {
        return Err(Problem::new(Input::Email, "Type your email address."));
    }
    if password.is_empty() {
        return Err(Problem::new(Input::Password, "Type your password."));
    }
    if wish == Intent::SignUp && password.len() < PASSWORD {
        let text = format!("A password has at least {PASSWORD} characters.");
        return Err(Problem { input: Some(Input::Password), text });
    }
    Ok(())
}

/// What the server refused, in words.
pub(crate) fn refused(wish: Intent, error: &Error) -> Problem {
    match error.code {
        Code::Unauthenticated => Problem::new(None, "The email address or the password is wrong."),
        Code::InvalidArgument if error.detail.starts_with("email") => {
            Problem::new(Input::Email, "This is no email address such as alice@example.com.")
        }
        // A password that nobody can have.
        Code::InvalidArgument if wish == Intent::SignIn => {
            Problem::new(None, "The email address or the password is wrong.")
        }
        Code::InvalidArgument => Problem::new(Input::Password, &error.detail),
        Code::AlreadyExists => Problem::new(Input::Email, "This address has an account: sign in."),
        Code::Unavailable => Problem::new(None, "The server cannot be reached. Try again."),
        _ => Problem::new(None, &error.detail),
    }
}

/// What the server refused of a sign-in with a provider, in words.
pub(crate) fn provider_refused(error: &Error) -> Problem {
    match error.code {
        Code::Unavailable => refused(Intent::SignIn, error),
        _ => Problem::new(None, &error.detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_first() {
        use {Input::*, Intent::*};
        for (wish, email, password, wrong) in [
            (SignIn, "", "", Some(Email)),
            (SignUp, "", "long enough", Some(Email)),
            (SignIn, "a@b.c", "", Some(Password)),
            (SignUp, "a@b.c", "", Some(Password)),
            (SignUp, "a@b.c", "1234567", Some(Password)),
            (SignUp, "a@b.c", "12345678", None),
            // Who has an account with a shorter one is told by the server.
            (SignIn, "a@b.c", "1234567", None),
        ] {
            let problem = check(wish, email, password).err();
            assert_eq!(problem.and_then(|problem| problem.input), wrong, "{email} {password}");
        }
    }

    #[test]
    fn a_refusal_is_at_the_input_that_it_is_about() {
        let wrong = |wish, code, detail: &str| refused(wish, &Error::new(code, detail));
        let of_both = wrong(Intent::SignIn, Code::Unauthenticated, "the email or the password");
        assert_eq!(of_both.input, None);
        // Not which of both.
        assert_eq!(wrong(Intent::SignIn, Code::InvalidArgument, "password: not 8"), of_both);
        let email = wrong(Intent::SignIn, Code::InvalidArgument, "email: not an address");
        assert_eq!(email.input, Some(Input::Email));
        let taken = wrong(Intent::SignUp, Code::AlreadyExists, "there is an account");
        assert_eq!(taken.input, Some(Input::Email));
        let short = wrong(Intent::SignUp, Code::InvalidArgument, "password: not 8 to 1024 bytes");
        assert_eq!((short.input, short.text.contains("1024")), (Some(Input::Password), true));
        let often = wrong(Intent::SignIn, Code::ResourceExhausted, "again in 30 s");
        assert_eq!((often.input, often.text.as_str()), (None, "again in 30 s"));
        let away = wrong(Intent::SignIn, Code::Unavailable, "token: lost");
        assert!(away.text.contains("cannot be reached"), "{away:?}");
        let redirect = Error::new(Code::InvalidArgument, "redirectUri: not one");
        assert_eq!(provider_refused(&redirect).text, "redirectUri: not one");
        assert_eq!(provider_refused(&Error::new(Code::Unavailable, "lost")), away);
    }
}
