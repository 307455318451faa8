//! Short messages that come and go.

use leptos::prelude::*;
use std::rc::Rc;
use std::time::Duration;

/// How long a message stays: long enough to read it and to reach its button.
const STAY: Duration = Duration::from_secs(10);

/// One message.
#[derive(Clone)]
pub(crate) struct Toast {
    /// Its number: no other message has it.
    pub(crate) number: u32,
    /// What it says.
    pub(crate) text: String,
    /// Whether something went wrong.
    pub(crate) is_error: bool,
    /// What its "Undo" does, if it can be undone.
    pub(crate) undo: Option<Rc<dyn Fn()>>,
}

/// The messages that are on show, the oldest first.
#[derive(Clone, Copy)]
pub(crate) struct Toasts {
    shown: RwSignal<Vec<Toast>, LocalStorage>,
    next: StoredValue<u32>,
}

impl Toasts {
    /// No messages.
    pub(crate) fn new() -> Self {
        Toasts { shown: RwSignal::new_local(Vec::new()), next: StoredValue::new(0) }
    }

    /// The numbers of the messages that are on show.
    pub(crate) fn numbers(self) -> Vec<u32> {
        self.shown.with(|shown| shown.iter().map(|toast| toast.number).collect())
    }

    /// The message of that number, if it is still on show.
    pub(crate) fn find(self, number: u32) -> Option<Toast> {
        self.shown.with(|shown| shown.iter().find(|toast| toast.number == number).cloned())
    }

    /// Says that something went wrong.
    pub(crate) fn error(self, text: String) {
        self.show(text, true, None);
    }

    /// Says what was done, and offers to undo it.
    pub(crate) fn done(self, text: String, undo: impl Fn() + 'static) {
        self.show(text, false, Some(Rc::new(undo)));
    }

    /// Takes a message away.
    pub(crate) fn dismiss(self, number: u32) {
        self.shown.update(|shown| shown.retain(|toast| toast.number != number));
    }

    fn show(self, text: String, is_error: bool, undo: Option<Rc<dyn Fn()>>) {
        let number = self.next.get_value();
        self.next.set_value(number + 1);
        self.shown.update(|shown| shown.push(Toast { number, text, is_error, undo }));
        set_timeout(move || self.dismiss(number), STAY);
    }
}
