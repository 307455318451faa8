//! `hashing.*`: digests of texts and bytes, as bytes.

use super::eval::{Evaluated, Evaluator};
use super::expr::Function;
use super::value::{Fail, Val};
use sha2::{Digest, Sha256};

/// Units of work of a byte: a digest takes some nanoseconds for each.
const WORK: usize = 4;

/// The polynomials, bits reversed: of IEEE 802.3, and Castagnoli's (RFC 3720 section 12.1).
const IEEE: u32 = 0xEDB8_8320;
const CASTAGNOLI: u32 = 0x82F6_3B78;

impl<'a> Evaluator<'a> {
    pub(super) fn hashed(&mut self, function: Function, value: &Val<'a>) -> Evaluated<'a> {
        let bytes: &[u8] = match value {
            Val::Text(text) => text.as_bytes(),
            Val::Bytes(bytes) => bytes,
            _ => return Err(Fail::Error),
        };
        self.spend(bytes.len().saturating_mul(WORK))?;
        self.make(32)?;
        Ok(Val::Bytes(match function {
            Function::Crc32 => crc(IEEE, bytes).to_be_bytes().as_slice().into(),
            Function::Crc32c => crc(CASTAGNOLI, bytes).to_be_bytes().as_slice().into(),
            Function::Md5 => md5::Md5::digest(bytes).as_slice().into(),
            Function::Sha256 => Sha256::digest(bytes).as_slice().into(),
            _ => return Err(Fail::Error),
        }))
    }
}

/// A cyclic redundancy check of 32 bits, four bits at a time.
fn crc(polynomial: u32, bytes: &[u8]) -> u32 {
    let shifted = |value: u32| {
        (0..4).fold(value, |value, _| (value >> 1) ^ (if value & 1 == 1 { polynomial } else { 0 }))
    };
    let table: [u32; 16] = std::array::from_fn(|index| shifted(index as u32));
    let step = |value: u32| {
        let entry = table.get((value & 15) as usize).copied().unwrap_or_default();
        (value >> 4) ^ entry
    };
    !bytes.iter().fold(!0, |value, byte| step(step(value ^ u32::from(*byte))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the catalogue of parametrised CRC algorithms.
    #[test]
    fn checks_are_those_of_the_standards() {
        assert_eq!(crc(IEEE, b"123456789"), 0xCBF4_3926);
        assert_eq!(crc(CASTAGNOLI, b"123456789"), 0xE306_9283);
        assert_eq!((crc(IEEE, b""), crc(CASTAGNOLI, b"")), (0, 0));
    }
}
