//! Numbers and texts as they are written. Source: CEL's language definition, "Values" and "Syntax".

use super::expr::Constant;
use super::scan::NOT_CLOSED;

/// Reads a number: an int, decimal or after `0x`, or a float.
///
/// # Errors
/// The message says what is wrong with it.
pub(super) fn number(text: &str, negative: bool) -> Result<Constant, String> {
    let sign = if negative { "-" } else { "" };
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    if text.ends_with(['u', 'U']) {
        return Err("there are no unsigned numbers".to_owned());
    }
    if hex.is_none() && text.contains(['.', 'e', 'E']) {
        let float = format!("{sign}{text}").parse().ok().filter(|float: &f64| float.is_finite());
        return float.map(Constant::Float).ok_or_else(|| format!("{sign}{text} is not a float"));
    }
    let radix = if hex.is_some() { 16 } else { 10 };
    let int = i64::from_str_radix(&format!("{sign}{}", hex.unwrap_or(text)), radix);
    int.map(Constant::Int).map_err(|_| format!("{sign}{text} is not an int of 64 bits"))
}

/// Reads a text in quotes, or bytes, with what stands before the quotes.
///
/// # Errors
/// The message says what is wrong with it.
pub(super) fn text(written: &str) -> Result<Constant, String> {
    let quotes = written.find(['\'', '"']).unwrap_or_default();
    let (prefix, quoted) = written.split_at_checked(quotes).unwrap_or_default();
    let (raw, is_bytes) = (prefix.contains(['r', 'R']), prefix.contains(['b', 'B']));
    let content = content(quoted).ok_or(NOT_CLOSED)?.replace("\r\n", "\n").replace('\r', "\n");
    let bytes = if raw { content.into_bytes() } else { unescaped(&content, is_bytes)? };
    if is_bytes {
        return Ok(Constant::Bytes(bytes.into()));
    }
    let text = String::from_utf8(bytes).map_err(|_| "a text that is not UTF-8")?;
    Ok(Constant::Text(text.into()))
}

/// The inside of three quotes, or of one.
fn content(quoted: &str) -> Option<&str> {
    let between = |quote: &str| quoted.strip_prefix(quote)?.strip_suffix(quote);
    ["'''", "\"\"\"", "'", "\""].into_iter().find_map(between)
}

/// The bytes that a text with escapes stands for. In bytes `\x` and `\0` give a byte, in a text a character.
fn unescaped(content: &str, is_bytes: bool) -> Result<Vec<u8>, String> {
    let mut made = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        made.extend_from_slice(plain.as_bytes());
        let kind = escaped.chars().next().unwrap_or_default();
        let (start, end, radix) = match kind {
            'x' | 'X' => (1, 3, 16),
            'u' if !is_bytes => (1, 5, 16),
            'U' if !is_bytes => (1, 9, 16),
            '0'..='3' => (0, 3, 8),
            _ => {
                let byte = simple(kind).ok_or_else(|| {
                    format!("the escape \"\\{}\" has no meaning", kind.escape_debug())
                })?;
                made.push(byte);
                rest = escaped.get(1..).unwrap_or_default();
                continue;
            }
        };
        let number = escaped.get(start..end).filter(|it| it.chars().all(|c| c.is_digit(radix)));
        let number = number.and_then(|digits| u32::from_str_radix(digits, radix).ok());
        let wrong = || format!("the escape \"\\{kind}\" is followed by the digits of no character");
        let number = number.ok_or_else(wrong)?;
        match u8::try_from(number) {
            Ok(byte) if is_bytes => made.push(byte),
            _ => {
                let character = char::from_u32(number).ok_or_else(wrong)?;
                made.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        rest = escaped.get(end..).unwrap_or_default();
    }
    made.extend_from_slice(rest.as_bytes());
    Ok(made)
}

/// The byte that one character after a `\` stands for.
fn simple(kind: char) -> Option<u8> {
    Some(match kind {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0C,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0B,
        '\\' => b'\\',
        '\'' => b'\'',
        '"' => b'"',
        '`' => b'`',
        '?' => b'?',
        _ => return None,
    })
}
