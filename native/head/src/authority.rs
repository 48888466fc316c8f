//! `host[:port]` (RFC 3986 3.2.2, 3.2.3), narrowed: names of unreserved characters with no empty label, IPv4, and IPv6
//! in brackets. User names, percent-encodings, sub-delims, zones and `IPvFuture` are refused: servers differ on them.

use std::net::Ipv6Addr;

use crate::bytes::{UNRESERVED, is};

/// DNS allows 253 characters (RFC 1035 2.3.4); one more for the root's dot, one for luck with other name services.
const MAX_HOST_BYTES: usize = 255;

/// Length of the host part (brackets included, port not), or None where the text is no valid authority.
pub fn host_length(text: &[u8]) -> Option<usize> {
    let length = if text.first() == Some(&b'[') { literal_length(text)? } else { name_length(text)? };
    let rest = &text[length..];
    (rest.is_empty() || (rest[0] == b':' && is_port(&rest[1..]))).then_some(length)
}

fn literal_length(text: &[u8]) -> Option<usize> {
    let end = text.iter().position(|&byte| byte == b']')?;
    let address = std::str::from_utf8(&text[1..end]).ok()?;
    address.parse::<Ipv6Addr>().ok()?;
    Some(end + 1)
}

fn name_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut label_began = 0;
    while at < text.len() {
        let byte = text[at];
        if byte == b'.' {
            if at == label_began {
                return None;
            }
            label_began = at + 1;
        } else if !is(byte, UNRESERVED) {
            break;
        }
        at += 1;
    }
    (1..=MAX_HOST_BYTES).contains(&at).then_some(at)
}

/// RFC 3986 3.2.3 lets a port be empty.
fn is_port(digits: &[u8]) -> bool {
    digits.len() <= 5
        && digits
            .iter()
            .try_fold(0u32, |port, &digit| digit.is_ascii_digit().then(|| port * 10 + u32::from(digit - b'0')))
            .is_some_and(|port| port <= 65_535)
}

#[cfg(test)]
mod tests {
    use super::host_length;

    #[test]
    fn good() {
        for (text, length) in [
            ("example.com", 11),
            ("example.com:8080", 11),
            ("example.com.", 12),
            ("a_b-c~d", 7),
            ("127.0.0.1:1", 9),
            ("[::1]", 5),
            ("[2001:DB8::1]:443", 13),
            ("[::ffff:1.2.3.4]", 16),
            ("a:", 1),
            ("a:65535", 1),
        ] {
            assert_eq!(host_length(text.as_bytes()), Some(length), "{text}");
        }
    }

    #[test]
    fn bad() {
        let long = "a".repeat(256);
        for text in [
            "",
            ":80",
            "a:b",
            "a:65536",
            "a:000080",
            "a:-1",
            "a:+1",
            "a: 1",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a@b",
            "u:p@b",
            "a,b",
            "a\\b",
            "a%00",
            "a%2eb",
            "a..b",
            ".a",
            ".",
            "[::1",
            "::1",
            "[]",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "[v1.a]",
            "[::1]a",
            "[::1]:x",
            "[::1]]",
            "a\0b",
            "a\rb",
            "a\u{e9}",
            "a<b",
            "a:1:2",
            "*",
            &long,
        ] {
            assert_eq!(host_length(text.as_bytes()), None, "{text:?}");
        }
    }
}
