//! One form for each path: what matching, guards and the upstream see is the same (RFC 3986 6.2.2).
//!
//! | in the path | becomes |
//! |---|---|
//! | `.` and `..` segments, also as `%2e` | resolved (5.2.4); above the root: refused |
//! | percent-encoded unreserved characters | decoded, once |
//! | other percent-encodings | kept, hex digits in upper case; so `%2F` and `%5C` are never decoded |
//! | broken percent-encoding, `%00`, backslash | refused |
//! | `..` next to an encoded slash, or with a `;` parameter | refused: some servers climb there and others do not |
//! | `//` | kept for the upstream; merged for matching |

use crate::Refusal;
use crate::bytes::{UNRESERVED, is};

/// Whether a path may differ from its normal form: it has a percent-encoding, or a dot or a slash after a slash.
pub fn is_suspicious(path: &[u8]) -> bool {
    path.contains(&b'%') || path.windows(2).any(|two| two == b"/." || two == b"//")
}

/// Appends the normalised form of `path`, which begins with `/` and holds only [`crate::bytes::PATH`] bytes.
pub fn normalise(path: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let base = out.len();
    let mut segments = path[1..].split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let slash = out.len();
        out.push(b'/');
        decode(segment, out)?;
        let last = segments.peek().is_none();
        match &out[slash + 1..] {
            b"." => close(out, slash, last),
            b".." => {
                if slash == base {
                    return Err(Refusal::ClimbingPath);
                }
                let parent = out[base..slash].iter().rposition(|&byte| byte == b'/').map_or(base, |at| base + at);
                close(out, parent, last);
            }
            decoded if climbs_in_disguise(decoded) => return Err(Refusal::HiddenDots),
            _ => {}
        }
    }
    if out.len() == base {
        out.push(b'/');
    }
    Ok(())
}

/// Takes a dot segment away; at the path's end its slash stays (`/a/..` is `/`, `/a/.` is `/a/`).
fn close(out: &mut Vec<u8>, to: usize, last: bool) {
    out.truncate(to);
    if last {
        out.push(b'/');
    }
}

fn decode(segment: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut rest = segment;
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        out.extend_from_slice(&rest[..at]);
        let (Some(high), Some(low)) =
            (rest.get(at + 1).copied().and_then(hex), rest.get(at + 2).copied().and_then(hex))
        else {
            return Err(Refusal::BadEscape);
        };
        match high << 4 | low {
            0 => return Err(Refusal::NulInPath),
            byte if is(byte, UNRESERVED) => out.push(byte),
            _ => out.extend_from_slice(&[b'%', rest[at + 1].to_ascii_uppercase(), rest[at + 2].to_ascii_uppercase()]),
        }
        rest = &rest[at + 3..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

/// `..` between encoded slashes (`..%2Fa`), or cut off from its slash by a parameter (`..;a`).
fn climbs_in_disguise(segment: &[u8]) -> bool {
    let mut rest = segment;
    loop {
        let end = rest.windows(3).position(|three| three == b"%2F" || three == b"%5C");
        let piece = &rest[..end.unwrap_or(rest.len())];
        if piece == b".." || piece.starts_with(b"..;") {
            return true;
        }
        match end {
            Some(at) => rest = &rest[at + 3..],
            None => return false,
        }
    }
}

/// Appends `path` with each run of slashes made one.
pub fn merge_slashes(path: &[u8], out: &mut Vec<u8>) {
    let base = out.len();
    for &byte in path {
        if byte != b'/' || out.len() == base || out.last() != Some(&b'/') {
            out.push(byte);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // Reason: a test may panic.
mod tests {
    use super::*;

    fn normal(path: &str) -> Result<String, Refusal> {
        let mut out = b"kept".to_vec();
        normalise(path.as_bytes(), &mut out)?;
        Ok(String::from_utf8(out[4..].to_vec()).unwrap())
    }

    #[test]
    fn refused() {
        for (path, refusal) in [
            ("/..", Refusal::ClimbingPath),
            ("/../a", Refusal::ClimbingPath),
            ("/a/../..", Refusal::ClimbingPath),
            ("/a/../../b", Refusal::ClimbingPath),
            ("/./../a", Refusal::ClimbingPath),
            ("/%2e%2e/a", Refusal::ClimbingPath),
            ("/.%2E/a", Refusal::ClimbingPath),
            ("/a%00", Refusal::NulInPath),
            ("/%", Refusal::BadEscape),
            ("/%4", Refusal::BadEscape),
            ("/%4/a", Refusal::BadEscape),
            ("/%zz", Refusal::BadEscape),
            ("/%+1", Refusal::BadEscape),
            ("/%u0041", Refusal::BadEscape),
            ("/a/..;/b", Refusal::HiddenDots),
            ("/a/%2e%2e;x=1/b", Refusal::HiddenDots),
            ("/a/..%2fb", Refusal::HiddenDots),
            ("/a/b%5c..%5cc", Refusal::HiddenDots),
            ("/a/b%2F%2e%2E", Refusal::HiddenDots),
            ("/a/b%2F..;c%2Fd", Refusal::HiddenDots),
        ] {
            assert_eq!(normal(path), Err(refusal), "{path}");
        }
    }

    #[test]
    fn normalised() {
        for (path, expected) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/b/c/./../../g", "/a/g"), // RFC 3986 5.2.4
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/.", "/a/"),
            ("/.", "/"),
            ("/./a", "/a"),
            ("/a//../b", "/a/b"),
            ("/a//b", "/a//b"),
            ("//a", "//a"),
            ("//..", "/"),
            ("/a/b/../../", "/"),
            ("/...", "/..."),
            ("/..a/.b", "/..a/.b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/%41%7e%2d%5F", "/A~-_"),
            ("/a%2fb%5cc", "/a%2Fb%5Cc"),
            ("/%c3%a9", "/%C3%A9"),
            ("/%252e%252e/a", "/%252e%252e/a"),
            ("/%25%32%65", "/%252e"),
            ("/a%2F.github", "/a%2F.github"),
            ("/a;..", "/a;.."),
            ("/a/%2e/b", "/a/b"),
            ("/a/b/%2e%2e/c", "/a/c"),
            ("/a%0d%0ab", "/a%0D%0Ab"),
        ] {
            let once = normal(path).unwrap();
            assert_eq!(once, expected, "{path}");
            assert_eq!(normal(&once).unwrap(), once, "{path} twice");
        }
    }

    #[test]
    fn slashes() {
        for (path, expected) in [("/a", "/a"), ("//", "/"), ("///a//b/", "/a/b/")] {
            let mut out = b"/".to_vec();
            merge_slashes(path.as_bytes(), &mut out);
            assert_eq!(&out[1..], expected.as_bytes(), "{path}");
        }
    }
}
