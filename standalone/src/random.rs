//! Random bits from the operating system, asked for many at a time.

/// Bits that were not given yet.
#[derive(Debug, Default)]
pub(crate) struct Random {
    bytes: Vec<u8>,
}

impl Random {
    /// Gives 128 fresh bits.
    ///
    /// # Panics
    /// If the operating system has none: nothing could be kept secret then.
    pub(crate) fn bits(&mut self) -> u128 {
        let rest = self.bytes.len().saturating_sub(size_of::<u128>());
        if self.bytes.is_empty() {
            self.bytes.resize(4_096, 0);
            getrandom::fill(&mut self.bytes).expect("random bits");
            return self.bits();
        }
        let mut bits = [0; size_of::<u128>()];
        bits.copy_from_slice(&self.bytes[rest..]);
        self.bytes[rest..].fill(0);
        self.bytes.truncate(rest);
        u128::from_be_bytes(bits)
    }
}
