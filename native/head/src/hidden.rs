//! Leaves out of a query and of cookies what only the gateway may see: credentials of its own guards. Called by `compose`,
//! and by the addon, which reads them.

use std::borrow::Cow;

use crate::policy::push_line;

/// Appends `?query` without the hidden parameters; nothing where none is left.
pub fn write_query(query: &[u8], hidden: &[Vec<u8>], out: &mut Vec<u8>) {
    let mut separator = b'?';
    for parameter in query.split(|byte| *byte == b'&') {
        let end = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
        if hidden.iter().any(|name| decodes_to(&parameter[..end], name)) {
            continue;
        }
        out.push(separator);
        out.extend_from_slice(parameter);
        separator = b'&';
    }
}

/// Appends the cookie line without the hidden cookies; no line where none is left.
pub fn write_cookies(value: &[u8], hidden: &[Vec<u8>], out: &mut Vec<u8>) {
    let name_of = |pair: &[u8]| {
        let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        pair[..end].trim_ascii().to_vec()
    };
    let mut kept = Vec::with_capacity(value.len());
    for pair in value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()) {
        if hidden.contains(&name_of(pair)) {
            continue;
        }
        if !kept.is_empty() {
            kept.extend_from_slice(b"; ");
        }
        kept.extend_from_slice(pair);
    }
    if !kept.is_empty() {
        push_line(out, b"cookie", &kept);
    }
}

/// The values of a parameter, decoded as upstreams decode them. A broken escape stands for itself.
pub fn parameters<'a>(query: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> {
    query.split(|byte| *byte == b'&').filter_map(move |parameter| {
        let end = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
        decodes_to(&parameter[..end], name).then(|| decoded(parameter.get(end + 1..).unwrap_or_default()))
    })
}

fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| b"%+".contains(byte)) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, left)) = first_decoded(rest) {
        out.push(byte);
        rest = left;
    }
    Cow::Owned(out)
}

/// The first byte that a text stands for, and what follows.
fn first_decoded(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, after) = text.split_first()?;
    Some(match (first, after) {
        (b'%', [high, low, left @ ..]) => match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => (high << 4 | low, left),
            _ => (first, after),
        },
        (b'+', _) => (b' ', after),
        _ => (first, after),
    })
}

/// As upstreams read names: `%61` is `a`, `+` a blank. A broken escape stands for itself.
fn decodes_to(text: &[u8], name: &[u8]) -> bool {
    let mut rest = text;
    let mut wanted = name;
    while let Some((byte, left)) = first_decoded(rest) {
        match wanted.split_first() {
            Some((&next, others)) if next == byte => (rest, wanted) = (left, others),
            _ => return false,
        }
    }
    wanted.is_empty()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> String {
        let mut out = Vec::new();
        write_query(text.as_bytes(), &[b"key".to_vec(), b"a b".to_vec()], &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    fn cookies(text: &str) -> String {
        let mut out = Vec::new();
        write_cookies(text.as_bytes(), &[b"key".to_vec()], &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn parameters_go_however_their_names_are_written() {
        for (given, left) in [
            ("", "?"),
            ("key=1", ""),
            ("key", ""),
            ("key=1&key=2", ""),
            ("a=1&key=2&b=3", "?a=1&b=3"),
            ("%6bey=1&k%65%79=2&x=key", "?x=key"),
            ("a+b=1&a%20b=2&ab=3", "?ab=3"),
            ("KEY=1&keys=2&ke=3&%6=4&key%=5", "?KEY=1&keys=2&ke=3&%6=4&key%=5"),
            ("&&", "?&&"),
        ] {
            assert_eq!(query(given), left, "{given}");
        }
    }

    #[test]
    fn parameters_are_read_as_they_are_hidden() {
        let values = |query: &str| -> Vec<String> {
            parameters(query.as_bytes(), b"key").map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
        };
        for (given, read) in [
            ("", &[][..]),
            ("key", &[""]),
            ("a=1&key=2&b=3", &["2"]),
            ("key=1&key=2&KEY=3", &["1", "2"]),
            ("k%65y=%61+b%2B&%6bey==c", &["a b+", "=c"]),
            ("key=%&key=%4&key=%zz1", &["%", "%4", "%zz1"]),
        ] {
            assert_eq!(values(given), read, "{given}");
        }
    }

    #[test]
    fn cookies_go_and_the_others_stay() {
        for (given, left) in [
            ("", ""),
            ("key=1", ""),
            (" key = 1 ;key=2;", ""),
            ("a=1; key=2; b=3", "cookie: a=1; b=3\r\n"),
            ("a=1;key;b=key=2", "cookie: a=1; b=key=2\r\n"),
            ("Key=1; keys=2", "cookie: Key=1; keys=2\r\n"),
        ] {
            assert_eq!(cookies(given), left, "{given}");
        }
    }
}
