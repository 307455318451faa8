//! What is done later, in its turn.

use crate::shell::platform::spawn;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// Returns a callback that calls an object as long as it is there.
pub(crate) fn weakly<T: 'static, A, F: Fn(&Rc<T>, A) + Clone + 'static>(
    object: &Weak<T>,
    act: F,
) -> impl Fn(A) + Clone + use<T, A, F> {
    let object = object.clone();
    move |argument| {
        if let Some(object) = object.upgrade() {
            act(&object, argument);
        }
    }
}

/// Effects to be done, one after the other. Doing one may lead to others, which go behind.
pub(crate) struct Effects<E> {
    waiting: RefCell<Vec<E>>,
    working: Cell<bool>,
}

impl<E> Effects<E> {
    pub(crate) fn new() -> Self {
        Effects { waiting: RefCell::default(), working: Cell::new(false) }
    }

    /// Does these, and what follows from them. Returns false from within `perform`: then they are only put behind the
    /// others.
    pub(crate) fn run(&self, effects: Vec<E>, perform: impl Fn(E)) -> bool {
        self.waiting.borrow_mut().extend(effects);
        if self.working.replace(true) {
            return false;
        }
        while !self.waiting.borrow().is_empty() {
            let next = self.waiting.borrow_mut().remove(0);
            perform(next);
        }
        self.working.set(false);
        true
    }
}

/// Something that is done when the present task is done: not from within a call of the application, and once for
/// everything that happens in one task.
#[derive(Default)]
pub(crate) struct Soon {
    asked: Rc<Cell<bool>>,
}

impl Soon {
    pub(crate) fn run(&self, work: impl FnOnce() + 'static) {
        if self.asked.replace(true) {
            return;
        }
        let asked = Rc::clone(&self.asked);
        spawn(async move {
            asked.set(false);
            work();
        });
    }
}
