//! Bytes as text (RFC 4648 section 4). By hand: the `base64` crate is a thirtieth of the client's size.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Reads bytes of the URL's alphabet (RFC 4648 section 5), as [`decode`] does those of the other.
pub fn decode_url(text: &str) -> Option<Vec<u8>> {
    if text.contains(['+', '/']) {
        return None;
    }
    decode(&text.replace('-', "+").replace('_', "/"))
}

/// Reads bytes; padding is not asked for. `None` for what is no base64, and where bits are left over that are not 0.
#[expect(clippy::arithmetic_side_effects, reason = "bits of a word, and the length of a text")]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let beyond = digits.len() % 4;
    if beyond == 1 || padding > (4 - beyond) % 4 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len());
    let (mut held, mut bits) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    (held == 0).then_some(bytes)
}

/// The bytes as text, padded.
#[expect(clippy::arithmetic_side_effects, reason = "bits of a word, and the length of a text")]
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 3 * 4 + 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let held = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = DIGITS.get((held >> (18 - 6 * at)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if at > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::alphabet;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    use proptest::prelude::*;

    const CRATE: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn bytes_are_written_as_the_base64_crate_does(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            prop_assert_eq!(encode(&bytes), CRATE.encode(&bytes));
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn texts_are_read_or_refused_as_the_base64_crate_does(text in "[ABQgZaz019+/]{0,9}[=\\-_é ]{0,1}={0,3}") {
            prop_assert_eq!(decode(&text), CRATE.decode(&text).ok(), "{}", text);
        }
    }
}
