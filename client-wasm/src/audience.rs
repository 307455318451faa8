//! Those who listen to one thing, and what each of them was told.

use crate::callbacks::{Callbacks, Entry};
use blaze_schema::Error;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

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
    /// The turn it was told last.
    told: Cell<u64>,
}

impl<S: Clone> Audience<S> {
    pub(crate) fn new() -> Self {
        Audience {
            listeners: Callbacks::new(),
            present: RefCell::default(),
            turn: Cell::new(0),
            ended: RefCell::default(),
        }
    }

    pub(crate) fn add(&self, next: Box<dyn Fn(S)>, error: Box<dyn Fn(Error)>) -> Member<S> {
        self.listeners.add(Listener { next, error, told: Cell::new(0) })
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
            {
                (listener.next)(present);
            }
        });
    }
}
