//! The rules of the simulation, as text for the server and as predicates that know nothing of it.

use serde_json::Value;

/// The identity behind a request or a socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Nobody,
    User(&'static str),
    Root,
    /// An API key, by its place among those that were made.
    Key(usize),
}

/// A variant of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// No rules yet.
    None,
    /// Everybody reads what is open, members read messages.
    Wide,
    /// Only who is known reads what is open.
    Known,
    /// Messages are not read.
    Silent,
}

impl Variant {
    pub(super) const ALL: [Variant; 3] = [Variant::Wide, Variant::Known, Variant::Silent];

    pub(super) fn text(self) -> String {
        let open = match self {
            Variant::Known => "request.auth != null",
            _ => "true",
        };
        let member =
            "exists(/databases/$(database)/documents/rooms/$(room)/members/$(request.auth.uid))";
        let messages = match self {
            Variant::Silent => "false",
            _ => member,
        };
        format!(
            "rules_version = '2';
service cloud.firestore {{
  match /databases/{{database}}/documents {{
    match /open/{{id}} {{ allow read: if {open}; allow write; }}
    match /notes/{{id}} {{
      allow read: if resource.data.owner == request.auth.uid;
      allow create, update: if request.resource.data.owner == request.auth.uid;
      allow delete: if resource.data.owner == request.auth.uid;
    }}
    match /rooms/{{room}} {{
      match /messages/{{id}} {{ allow read: if {messages}; allow write: if request.auth != null; }}
      match /members/{{uid}} {{ allow read: if request.auth.uid == uid; }}
    }}
  }}
}}
"
        )
    }

    /// True if somebody may read a state of a document. `is_member` tells whether the reader was a member of a room.
    pub(super) fn may_read(
        self,
        who: &Who,
        path: &str,
        data: Option<&Value>,
        is_member: impl Fn(&str) -> bool,
    ) -> bool {
        if *who == Who::Root {
            return true;
        }
        let uid = match who {
            Who::User(uid) => Some(*uid),
            _ => None,
        };
        let segments: Vec<&str> = path.split('/').collect();
        match (self, segments.as_slice()) {
            (Variant::None, _) => false,
            (Variant::Known, ["open", _]) => *who != Who::Nobody,
            (_, ["open", _]) => true,
            (_, ["notes", _]) => {
                uid.is_some() && data.and_then(|data| data["owner"].as_str()) == uid
            }
            (Variant::Silent, ["rooms", _, "messages", _]) => false,
            (_, ["rooms", _, "messages", _]) => uid.is_some_and(is_member),
            (_, ["rooms", _, "members", member]) => uid == Some(*member),
            _ => false,
        }
    }
}
