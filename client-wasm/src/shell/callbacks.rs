//! The callbacks of an application, and how they are taken back.

use send_wrapper::SendWrapper;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::rc::Rc;

/// Callbacks, or whatever goes with them, in the order of their coming.
pub(crate) struct Callbacks<T> {
    entries: RefCell<Vec<Rc<Entry<T>>>>,
}

pub(crate) struct Entry<T> {
    pub(crate) value: T,
    /// False from the moment it was taken back: then it is called no more, even if a list still holds it.
    active: Cell<bool>,
}

impl<T> Entry<T> {
    pub(crate) fn is_active(&self) -> bool {
        self.active.get()
    }
}

impl<T> Callbacks<T> {
    pub(crate) fn new() -> Self {
        Callbacks { entries: RefCell::default() }
    }

    pub(crate) fn add(&self, value: T) -> Rc<Entry<T>> {
        let entry = Rc::new(Entry { value, active: Cell::new(true) });
        self.entries.borrow_mut().push(Rc::clone(&entry));
        entry
    }

    pub(crate) fn remove(&self, entry: &Rc<Entry<T>>) {
        entry.active.set(false);
        self.entries.borrow_mut().retain(|other| !Rc::ptr_eq(other, entry));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }

    /// Takes all of them away. They stay active.
    pub(crate) fn take(&self) -> Vec<Rc<Entry<T>>> {
        mem::take(&mut *self.entries.borrow_mut())
    }

    /// Calls `visit` for each of those there are now. It may add and remove: one removed is not visited any more.
    pub(crate) fn each(&self, visit: impl Fn(&T)) {
        let entries = self.entries.borrow().clone();
        for entry in entries {
            if entry.is_active() {
                visit(&entry.value);
            }
        }
    }
}

/// Keeps a callback; dropping it takes the callback back.
///
/// `Send`, as clean-up functions of frameworks have to be, but not to be dropped on another thread than it is from: wasm
/// has only one.
#[must_use = "dropping the subscription unsubscribes"]
pub struct Subscription {
    cancel: SendWrapper<Option<Box<dyn FnOnce()>>>,
}

impl Subscription {
    pub(crate) fn new(cancel: impl FnOnce() + 'static) -> Self {
        Subscription { cancel: SendWrapper::new(Some(Box::new(cancel))) }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(cancel) = (*self.cancel).take() {
            cancel();
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leptos: `on_cleanup(impl FnOnce() + Send + Sync + 'static)`.
    fn on_cleanup(clean: impl FnOnce() + Send + Sync + 'static) {
        clean();
    }

    #[test]
    fn a_subscription_is_dropped_by_a_frameworks_clean_up() {
        let calls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&calls);
        let subscription = Subscription::new(move || counted.set(counted.get() + 1));
        on_cleanup(move || drop(subscription));
        assert_eq!(calls.get(), 1);
    }

    #[test]
    fn a_callback_may_take_back_itself_and_others() {
        let callbacks = Rc::new(Callbacks::<Box<dyn Fn()>>::new());
        let calls = Rc::new(RefCell::new(String::new()));
        let later: Rc<RefCell<Option<Subscription>>> = Rc::default();
        let subscribe = |name: char, also: Option<Rc<RefCell<Option<Subscription>>>>| {
            let calls = Rc::clone(&calls);
            let entry = callbacks.add(Box::new(move || {
                calls.borrow_mut().push(name);
                let victim = also.as_ref().and_then(|also| also.borrow_mut().take());
                drop(victim);
            }));
            let callbacks = Rc::clone(&callbacks);
            Subscription::new(move || callbacks.remove(&entry))
        };
        let first = subscribe('a', Some(Rc::clone(&later)));
        *later.borrow_mut() = Some(subscribe('b', None));
        let last = subscribe('c', None);
        callbacks.each(|call| call());
        assert_eq!(*calls.borrow(), "ac");
        drop(first);
        callbacks.each(|call| call());
        assert_eq!(*calls.borrow(), "acc");
        drop(last);
        assert!(callbacks.is_empty());
    }
}
