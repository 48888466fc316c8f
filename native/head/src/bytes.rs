//! Which byte may stand where: one table for all grammars, and the scan for the end of a field value.

/// RFC 9110 5.6.2 token.
pub const TOKEN: u8 = 1;
/// May stand in a path as it comes. Wider than RFC 3986 (`"<>^{|}` and backquote are let through), but no backslash:
/// some servers read it as `/`.
pub const PATH: u8 = 2;
/// May stand in a query: any visible ASCII but `#`.
pub const QUERY: u8 = 4;
/// RFC 3986 2.3 unreserved; also what a host name may consist of.
pub const UNRESERVED: u8 = 8;
/// May stand in a request id.
pub const REQUEST_ID: u8 = 16;
/// May stand in the text of an IP address.
pub const ADDRESS: u8 = 32;

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let alphanumeric = byte.is_ascii_alphanumeric();
        let mut class = 0;
        if alphanumeric || is_one_of(byte, b"!#$%&'*+-.^_`|~") {
            class |= TOKEN;
        }
        if byte.is_ascii_graphic() && byte != b'#' {
            class |= QUERY;
            if byte != b'?' && byte != b'\\' {
                class |= PATH;
            }
        }
        if alphanumeric || is_one_of(byte, b"-._~") {
            class |= UNRESERVED;
        }
        if alphanumeric || is_one_of(byte, b"._~+/=:@-") {
            class |= REQUEST_ID;
        }
        if byte.is_ascii_hexdigit() || byte == b'.' || byte == b':' {
            class |= ADDRESS;
        }
        table[at] = class;
        at += 1;
    }
    table
}

const fn is_one_of(byte: u8, set: &[u8]) -> bool {
    let mut at = 0;
    while at < set.len() {
        if set[at] == byte {
            return true;
        }
        at += 1;
    }
    false
}

static CLASSES: [u8; 256] = classes();

#[inline]
pub fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

#[inline]
pub fn all(text: &[u8], class: u8) -> bool {
    text.iter().all(|&byte| is(byte, class))
}

pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && all(text, TOKEN)
}

/// RFC 9110 5.5 field-value: no control character but HTAB, no white space at the ends. obs-text is let through.
pub fn is_field_value(text: &[u8]) -> bool {
    value_end(text, 0) == text.len() && trim(text).len() == text.len()
}

/// Index of the first byte from `from` on that is a control character other than HTAB (so also CR, LF, NUL and DEL), or
/// the length. Eight bytes a step: values are most of a head.
#[inline]
pub fn value_end(text: &[u8], from: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let mut at = from;
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        // A borrow spoils only bytes above a true hit, so the lowest hit is always right.
        let below_space = word.wrapping_sub(ONES * 0x20) & !word;
        let delete = word ^ (ONES * 0x7f);
        let hits = (below_space | (delete.wrapping_sub(ONES) & !delete)) & HIGH;
        if hits == 0 {
            at += 8;
            continue;
        }
        at += (hits.trailing_zeros() / 8) as usize;
        if text[at] != b'\t' {
            return at;
        }
        at += 1;
    }
    while at < text.len() && (text[at] == b'\t' || !text[at].is_ascii_control()) {
        at += 1;
    }
    at
}

/// Without the optional white space (SP, HTAB) at both ends.
#[inline]
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The elements of a comma-separated list (RFC 9110 5.6.1), trimmed, empty ones left out. Knows no quoted strings.
pub fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Equal when case is ignored and `_` counts as `-`: servers of the CGI kind cannot tell such names apart.
pub fn same_folded(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(&left, &right)| fold(left) == fold(right))
}

#[inline]
pub fn fold(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() }
}

/// Appends a decimal number.
pub fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_end_agrees_with_a_plain_loop_at_every_offset() {
        for bad in 0..=255u8 {
            for place in 0..20 {
                let mut text = *b"abc\tdef\xff\x80~ {xyz}=1234";
                text[place] = bad;
                let plain =
                    text.iter().position(|&byte| byte != b'\t' && (byte < 0x20 || byte == 0x7f)).unwrap_or(text.len());
                assert_eq!(value_end(&text, 0), plain, "byte {bad:#x} at {place}");
            }
        }
    }

    #[test]
    fn decimals() {
        for number in [0, 9, 10, 65_535, u64::MAX] {
            let mut out = Vec::new();
            push_decimal(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
