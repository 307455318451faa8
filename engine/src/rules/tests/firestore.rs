//! Rules as Firestore's documentation writes them.
