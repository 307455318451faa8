//! Who may do what to a document where there are accounts, as `demo.rules` has it. The server decides; the page offers what
//! it will allow, and says why it does not offer the rest.

use serde_json::{Map, Value, json};

/// The field with the uid of a country's owner.
pub(crate) const OWNER: &str = "owner";
/// The field with what the owner is called.
pub(crate) const OWNER_NAME: &str = "ownerName";
/// The most characters of a name; the rules take no more.
const NAME: usize = 40;
/// Who owns a country without saying who they are.
const UNNAMED: &str = "Somebody";

/// An account that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The account's uid.
    pub(crate) uid: String,
    /// Its email address: a provider may keep it to itself.
    pub(crate) email: Option<String>,
}

impl User {
    /// What the page calls them, to themselves alone.
    pub(crate) fn label(&self) -> String {
        self.email.clone().unwrap_or_else(|| "Signed in".to_owned())
    }

    /// What everybody may call them: their address is nobody's business, what stands before its `@` will do.
    pub(crate) fn name(&self) -> String {
        let local = self.email.as_deref().and_then(|email| email.split('@').next());
        name(local.unwrap_or_default())
    }
}

/// Who looks at the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Viewer {
    /// Anybody: there are no accounts, and everybody may do everything.
    Anybody,
    /// Somebody who is not signed in.
    Guest,
    /// Somebody who is.
    User(User),
}

/// Whose a country is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody has claimed it.
    Nobody,
    /// Who looks at it has.
    Viewer,
    /// Somebody else has, who is called so.
    Other(String),
}

impl Owner {
    /// Whose it is, in a word.
    pub(crate) fn word(&self) -> String {
        match self {
            Owner::Nobody => "Nobody's".to_owned(),
            Owner::Viewer => "Yours".to_owned(),
            Owner::Other(name) => format!("{name}'s"),
        }
    }
}

/// Why a document may not be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Barrier {
    /// It may be claimed, but not by a guest.
    SignIn,
    /// It must be claimed first.
    Claim,
    /// It is somebody else's, who is called so; whether who looks at it could be they, not signed in.
    Owned {
        /// What the owner is called.
        by: String,
        /// Whether nobody is signed in.
        to_guest: bool,
    },
    /// It is nobody's to edit.
    Closed,
}

impl Barrier {
    /// The reason, in words.
    pub(crate) fn reason(&self) -> String {
        match self {
            Barrier::SignIn => "Sign in to edit".to_owned(),
            Barrier::Claim => "Claim it to edit".to_owned(),
            Barrier::Owned { by, .. } => format!("Only {by} edits this"),
            Barrier::Closed => "Only an administrator edits this".to_owned(),
        }
    }

    /// Whether signing in may take it away.
    pub(crate) fn is_for_guests(&self) -> bool {
        matches!(self, Barrier::SignIn | Barrier::Owned { to_guest: true, .. })
    }
}

/// What who looks at a document may do to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    /// Whose it is, if it is one that can be somebody's.
    pub(crate) owner: Option<Owner>,
    /// Why its fields may not be edited; they may if there is none.
    pub(crate) barrier: Option<Barrier>,
    /// Whether it may be deleted, and created.
    pub(crate) may_replace: bool,
}

impl Access {
    /// Everything.
    const ALL: Access = Access { owner: None, barrier: None, may_replace: true };
    /// Looking at it.
    const CLOSED: Access =
        Access { owner: None, barrier: Some(Barrier::Closed), may_replace: false };

    /// What `viewer`, if they are known, may do to the document at `path`, which has these fields.
    pub(crate) fn of(viewer: Option<&Viewer>, path: &str, data: &Map<String, Value>) -> Self {
        let Some(viewer) = viewer else { return Self::CLOSED };
        let segments: Vec<&str> = path.split('/').collect();
        match (viewer, segments.as_slice()) {
            (Viewer::Anybody, _) => Self::ALL,
            (_, ["countries", _]) => Self::of_country(viewer, data),
            (_, ["countries" | "atlas", ..]) => Self::CLOSED,
            _ => Self::ALL,
        }
    }

    fn of_country(viewer: &Viewer, data: &Map<String, Value>) -> Self {
        let user = match viewer {
            Viewer::User(user) => Some(user),
            _ => None,
        };
        let (owner, barrier) = match (data.get(OWNER), user) {
            (None, Some(_)) => (Owner::Nobody, Some(Barrier::Claim)),
            (None, None) => (Owner::Nobody, Some(Barrier::SignIn)),
            (Some(Value::String(uid)), Some(user)) if *uid == user.uid => (Owner::Viewer, None),
            (Some(_), _) => {
                let by = name(data.get(OWNER_NAME).and_then(Value::as_str).unwrap_or_default());
                let barrier = Barrier::Owned { by: by.clone(), to_guest: user.is_none() };
                (Owner::Other(by), Some(barrier))
            }
        };
        Access { owner: Some(owner), barrier, may_replace: false }
    }

    /// Whether its fields may be edited.
    pub(crate) fn may_edit(&self) -> bool {
        self.barrier.is_none()
    }

    /// Whether it may be claimed.
    pub(crate) fn may_claim(&self) -> bool {
        self.barrier == Some(Barrier::Claim)
    }

    /// Whether it may be given up.
    pub(crate) fn may_give_up(&self) -> bool {
        self.owner == Some(Owner::Viewer)
    }

    /// Whether a field says whose the document is: it is shown as that, and not among the others.
    pub(crate) fn hides(&self, field: &str) -> bool {
        self.owner.is_some() && is_ownership(field)
    }
}

/// Whether a field of a country says whose it is.
fn is_ownership(field: &str) -> bool {
    field == OWNER || field == OWNER_NAME
}

/// The update that makes a country somebody's.
pub(crate) fn claim(user: &User) -> Value {
    json!({OWNER: user.uid, OWNER_NAME: user.name()})
}

/// A name as it is shown and claimed with: whoever claims a country could have written anything there.
fn name(text: &str) -> String {
    let mut letters = text.trim().chars().filter(|letter| !letter.is_control());
    let Some(first) = letters.next() else { return UNNAMED.to_owned() };
    let mut shown: Vec<char> = first.to_uppercase().chain(letters).take(NAME + 1).collect();
    if shown.len() > NAME {
        shown.truncate(NAME - 1);
        shown.push('…');
    }
    shown.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRANCE: &str = "countries/FRA";

    fn user(uid: &str, email: Option<&str>) -> User {
        User { uid: uid.to_owned(), email: email.map(str::to_owned) }
    }

    fn alice() -> Viewer {
        Viewer::User(user("a", Some("alice@example.com")))
    }

    fn access(viewer: &Viewer, path: &str, data: Value) -> Access {
        Access::of(Some(viewer), path, data.as_object().unwrap())
    }

    fn reason(access: &Access) -> Option<String> {
        access.barrier.as_ref().map(Barrier::reason)
    }

    #[test]
    fn a_country_is_edited_by_its_owner_alone() {
        let wild = json!({"name": "France"});
        let hers = json!({"name": "France", "owner": "a", "ownerName": "Alice"});
        let bob = Viewer::User(user("b", Some("bob@example.com")));
        for (viewer, data, word, barrier, claim, give_up) in [
            (Viewer::Guest, &wild, "Nobody's", Some("Sign in to edit"), false, false),
            (alice(), &wild, "Nobody's", Some("Claim it to edit"), true, false),
            (alice(), &hers, "Yours", None, false, true),
            (bob, &hers, "Alice's", Some("Only Alice edits this"), false, false),
            (Viewer::Guest, &hers, "Alice's", Some("Only Alice edits this"), false, false),
        ] {
            let access = access(&viewer, FRANCE, data.clone());
            assert_eq!(access.owner.as_ref().unwrap().word(), word, "{viewer:?}");
            assert_eq!(reason(&access).as_deref(), barrier, "{viewer:?}");
            assert_eq!(access.may_edit(), barrier.is_none(), "{viewer:?}");
            assert_eq!((access.may_claim(), access.may_give_up()), (claim, give_up), "{viewer:?}");
            assert!(!access.may_replace);
            assert!(access.hides("owner") && access.hides("ownerName") && !access.hides("name"));
            let is_guest = viewer == Viewer::Guest;
            assert_eq!(access.barrier.is_some_and(|barrier| barrier.is_for_guests()), is_guest);
        }
    }

    #[test]
    fn without_accounts_everybody_does_everything() {
        for path in [FRANCE, "atlas/index", "users/alice"] {
            let access = access(&Viewer::Anybody, path, json!({"owner": "a"}));
            assert_eq!(access, Access::ALL, "{path}");
            assert_eq!(Access::of(None, path, &Map::new()), Access::CLOSED);
            assert!(access.may_edit() && access.may_replace && !access.hides("owner"));
            assert!(!access.may_claim() && !access.may_give_up());
        }
    }

    #[test]
    fn what_is_no_country_is_everybodys_or_nobodys() {
        for viewer in [Viewer::Guest, alice()] {
            for path in ["atlas/index", "atlas/index/a/b", "countries/FRA/notes/1"] {
                let access = access(&viewer, path, json!({"owner": "a"}));
                assert_eq!(reason(&access).unwrap(), "Only an administrator edits this");
                assert!(!access.may_replace && access.owner.is_none() && !access.hides("owner"));
                assert!(!access.barrier.unwrap().is_for_guests());
            }
            for path in ["users/alice", "users/alice/countries/FRA"] {
                assert_eq!(access(&viewer, path, json!({"owner": "b"})), Access::ALL);
            }
        }
    }

    #[test]
    fn an_owner_that_is_no_text_is_somebody_else() {
        for owner in [json!(null), json!(1), json!(["a"]), json!("")] {
            let access = access(&alice(), FRANCE, json!({"owner": owner}));
            assert_eq!(access.owner.clone().unwrap().word(), "Somebody's");
            assert!(!access.may_edit() && !access.may_claim());
        }
        let left = access(&alice(), FRANCE, json!({"ownerName": "Bob"}));
        assert_eq!((left.owner.clone().unwrap(), left.may_claim()), (Owner::Nobody, true));
    }

    #[test]
    fn a_claim_names_the_owner_and_keeps_the_address() {
        let claimed = claim(&user("a", Some("alice@example.com")));
        assert_eq!(claimed, json!({"owner": "a", "ownerName": "Alice"}));
        assert_eq!(claim(&user("a", None)), json!({"owner": "a", "ownerName": "Somebody"}));
        assert_eq!(user("a", None).label(), "Signed in");
        assert_eq!(user("a", Some("a@b.c")).label(), "a@b.c");
    }

    #[test]
    fn a_name_is_short_and_plain_whatever_was_written() {
        for (written, shown) in [
            ("alice", "Alice"),
            (" élan\n", "Élan"),
            ("a\u{7}b", "Ab"),
            ("ßa", "SSa"),
            ("", "Somebody"),
            (" \n ", "Somebody"),
        ] {
            assert_eq!(name(written), shown, "{written:?}");
        }
        assert_eq!(name(&"X".repeat(NAME)), "X".repeat(NAME));
        for written in ["X".repeat(NAME + 1), "X".repeat(NAME * 9)] {
            assert_eq!(name(&written), format!("{}…", "X".repeat(NAME - 1)));
        }
        let longest = user("a", Some(&format!("{}@example.com", "ß".repeat(64))));
        assert_eq!(longest.name().chars().count(), NAME);
    }
}
