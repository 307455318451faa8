//! Those who listen to one thing, and what each of them was told.

use crate::shell::callbacks::{Callbacks, Entry};
use blaze_schema::Error;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// A snapshot of something: its content, and metadata about that.
pub(crate) trait Snapshot: Clone {
    /// Returns true if nothing differs but metadata: versions, and which writes are pending.
    fn has_content_of(&self, other: &Self) -> bool;
}

/// The listeners of one thing, of which they are told in snapshots of type `S`. It calls nobody but in
/// [`Audience::tell`].
pub(crate) struct Audience<S> {
    listeners: Callbacks<Listener<S>>,
    /// What they are to see, numbered so that each is told once.
    present: RefCell<Option<S>>,
    turn: Cell<u64>,
    /// Those who are to be told why they hear no more.
    ended: RefCell<Vec<(Member<S>, Error)>>,
}

/// One of them.
pub(crate) type Member<S> = Rc<Entry<Listener<S>>>;

pub(crate) struct Listener<S> {
    next: Box<dyn Fn(S)>,
    error: Box<dyn Fn(Error)>,
    /// Also told when only metadata changed.
    metadata: bool,
    /// The turn it was told last.
    told: Cell<u64>,
    /// The snapshot of that turn.
    last: RefCell<Option<S>>,
}

impl<S: Snapshot> Audience<S> {
    pub(crate) fn new() -> Self {
        Audience {
            listeners: Callbacks::new(),
            present: RefCell::default(),
            turn: Cell::new(0),
            ended: RefCell::default(),
        }
    }

    pub(crate) fn add(
        &self,
        metadata: bool,
        next: Box<dyn Fn(S)>,
        error: Box<dyn Fn(Error)>,
    ) -> Member<S> {
        let last = RefCell::default();
        self.listeners.add(Listener { next, error, metadata, told: Cell::new(0), last })
    }

    pub(crate) fn remove(&self, entry: &Member<S>) {
        self.listeners.remove(entry);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.listeners.is_empty()
    }

    /// From now on they are to see this.
    pub(crate) fn show(&self, present: S) {
        self.present.replace(Some(present));
        self.turn.set(self.turn.get() + 1);
    }

    /// There is nothing to see until something is shown.
    pub(crate) fn hide(&self) {
        self.present.take();
    }

    /// None of them hears any more. They are not told why.
    pub(crate) fn dismiss(&self) {
        self.hide();
        self.listeners.take();
    }

    /// None of them hears any more, and they are to be told why.
    pub(crate) fn fail(&self, error: &Error) {
        self.hide();
        let ended = self.listeners.take().into_iter().map(|entry| (entry, error.clone()));
        self.ended.borrow_mut().extend(ended);
    }

    /// Tells each what it was not told yet.
    pub(crate) fn tell(&self) {
        for (entry, error) in self.ended.take() {
            if entry.is_active() {
                (entry.value.error)(error);
            }
        }
        self.listeners.each(|listener| {
            let present = self.present.borrow().clone();
            if let Some(present) = present
                && listener.told.replace(self.turn.get()) != self.turn.get()
                && listener.wants(&present)
            {
                (listener.next)(present);
            }
        });
    }
}

impl<S: Snapshot> Listener<S> {
    /// Takes note of a snapshot; returns true if the listener is to be told of it.
    fn wants(&self, present: &S) -> bool {
        if self.metadata {
            return true;
        }
        let mut last = self.last.borrow_mut();
        let wants = last.as_ref().is_none_or(|last| !present.has_content_of(last));
        *last = Some(present.clone());
        wants
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A content and a version.
    type Seen = (char, u32);

    impl Snapshot for Seen {
        fn has_content_of(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    #[test]
    fn only_who_asked_for_it_hears_of_metadata_alone() {
        let audience = Audience::<Seen>::new();
        let heard = [Rc::new(RefCell::new(Vec::new())), Rc::default()];
        for (metadata, heard) in [false, true].into_iter().zip(&heard) {
            let heard = Rc::clone(heard);
            audience.add(
                metadata,
                Box::new(move |seen| heard.borrow_mut().push(seen)),
                Box::new(|_| {}),
            );
        }
        let shown = [('a', 1), ('a', 2), ('b', 3), ('a', 4), ('a', 5)];
        for seen in shown {
            audience.show(seen);
            audience.tell();
        }
        assert_eq!(*heard[0].borrow(), [('a', 1), ('b', 3), ('a', 4)]);
        assert_eq!(*heard[1].borrow(), shown);
    }
}
