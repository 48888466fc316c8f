//! Outside text into bytes, strictly: one text for one value wherever the scheme allows it. Go's and JavaScript's
//! parsers take a good beginning and ignore the rest; Tyk accepted valid hex with garbage after it for years.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

/// Exactly `N` bytes of hex, either case, nothing else.
pub fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    let mut wrong = 0;
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
        wrong |= high | low;
        *byte = high << 4 | (low & 15);
    }
    if wrong & 0x80 == 0 { Some(out) } else { None }
}

/// Base64 with its padding and no bit to spare: each value has one text.
pub fn base64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Base64url without padding (RFC 7515, appendix C), and no bit to spare.
pub fn base64url(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The one text of a value.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Lower-case hex.
pub fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Decimal digits only, leading zeros allowed: parts of dates. At most 18.
pub fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

/// A number as it is written: digits, no sign, no leading zero.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.len() > 1 && text.first() == Some(&b'0') { None } else { digits(text) }
}

/// `%41` into `A`; `None` for a `%` without two hex digits.
pub fn percent(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        if *byte == b'%' {
            let [value] = hex::<1>(after.get(..2)?)?;
            out.push(value);
            rest = &after[2..];
        } else {
            out.push(*byte);
            rest = after;
        }
    }
    Some(out)
}

/// Value of each hex digit; the high bit marks every other byte.
const NIBBLES: [u8; 256] = {
    let mut table = [0x80; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        table[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_exact() {
        assert_eq!(hex(b"00fFa9"), Some([0, 255, 0xa9]));
        for wrong in
            [&b""[..], b"00ffa", b"00ffa90", b"00ffa9zz", b"00ffag", b"00ff a", b"0x00ff", b"00ff\0\0", b"\xff0ff00"]
        {
            assert_eq!(hex::<3>(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn base64_has_one_text_for_one_value() {
        assert_eq!(base64(b"aGk="), Some(b"hi".to_vec()));
        for wrong in [&b"aGk"[..], b"aGl=", b"aGk==", b"aGk=\n", b" aGk=", b"aG-_", b"a", b"aGk=aGk="] {
            assert_eq!(base64(wrong), None, "{wrong:?}");
        }
        assert_eq!((to_base64(b"hi"), to_hex(b"\x00\xaf")), ("aGk=".into(), "00af".into()));
    }

    #[test]
    fn base64url_too() {
        assert_eq!(
            (base64url(b""), base64url(b"_-8"), base64url(b"aGk")),
            (Some(vec![]), Some(vec![255, 239]), Some(b"hi".to_vec()))
        );
        for wrong in [&b"aGk="[..], b"aGl", b"/+8", b"aGk\n", b" aGk", b"a", b"aGk.", b"\xd9\xa1"] {
            assert_eq!(base64url(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn numbers_are_digits() {
        assert_eq!((decimal(b"0"), decimal(b"1614265330"), digits(b"007")), (Some(0), Some(1_614_265_330), Some(7)));
        for wrong in
            [&b""[..], b"+1", b"-1", b" 1", b"1 ", b"01", b"1e3", b"0x1", b"12abc", b"9999999999999999999", b"\xd9\xa1"]
        {
            assert_eq!(decimal(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn percent_needs_two_digits() {
        assert_eq!(percent(b"a%2Fb%2f%00+"), Some(b"a/b/\0+".to_vec()));
        for wrong in [&b"%"[..], b"%2", b"%2g", b"a%%41"] {
            assert_eq!(percent(wrong), None);
        }
    }
}
