//! What will happen when: the virtual clock.

use std::collections::BTreeMap;

/// Things to come, in the order of their time; at the same time, in the order of their making.
pub(super) struct Queue<E> {
    now: i64,
    made: u64,
    coming: BTreeMap<(i64, u64), E>,
}

impl<E> Queue<E> {
    /// Nothing is to come; `now` is in microseconds since 1970.
    pub(super) fn new(now: i64) -> Self {
        Queue { now, made: 0, coming: BTreeMap::new() }
    }

    pub(super) fn now(&self) -> i64 {
        self.now
    }

    pub(super) fn after(&mut self, micros: i64, happening: E) {
        self.at(self.now + micros, happening);
    }

    pub(super) fn at(&mut self, time: i64, happening: E) {
        self.made += 1;
        self.coming.insert((time.max(self.now), self.made), happening);
    }

    /// The next thing, unless it comes after `end`. The clock is then at its time, or at `end`.
    pub(super) fn next_before(&mut self, end: i64) -> Option<E> {
        match self.coming.first_key_value() {
            Some(((time, _), _)) if *time <= end => {
                let ((time, _), happening) = self.coming.pop_first()?;
                self.now = time;
                Some(happening)
            }
            _ => {
                self.now = end;
                None
            }
        }
    }
}
