//! `Authorization: Basic` as clients send it, read strictly: two readers of one request must not find two different users
//! in it, and nothing that could not be a password is worth a hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Longer ones are refused unread.
pub const MAX_USERNAME_BYTES: usize = 256;
/// The same for passwords.
pub const MAX_PASSWORD_BYTES: usize = 1024;
const MAX_BYTES: usize = MAX_USERNAME_BYTES + 1 + MAX_PASSWORD_BYTES;

const SCHEME: &[u8] = b"basic";

/// Why there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// No header, or one of another scheme.
    Missing,
    /// More than one header.
    Ambiguous,
    /// Basic, and not as RFC 7617 has it, or too long.
    Malformed,
}

/// What a request says of its user; bytes are bytes.
#[derive(Debug)]
pub struct Credentials {
    /// `username:password`
    bytes: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl Credentials {
    /// What stands before the first colon; never empty.
    pub fn username(&self) -> &[u8] {
        &self.bytes[..self.colon]
    }

    /// What stands behind it.
    pub fn password(&self) -> &[u8] {
        &self.bytes[self.colon + 1..]
    }

    /// Of the values of all Authorization headers, each as it came.
    pub fn read<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<Self, Absent> {
        let value = values.next().ok_or(Absent::Missing)?;
        if values.next().is_some() {
            return Err(Absent::Ambiguous);
        }
        let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
        if !value[..end].eq_ignore_ascii_case(SCHEME) {
            return Err(Absent::Missing);
        }
        // RFC 9110 11.4: one or more spaces.
        let encoded = value[end..].trim_ascii_start();
        if encoded.len() > MAX_BYTES.div_ceil(3) * 4 {
            return Err(Absent::Malformed);
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(encoded.len() / 4 * 3 + 3));
        STANDARD.decode_vec(encoded, &mut bytes).map_err(|_| Absent::Malformed)?;
        let colon = bytes.iter().position(|byte| *byte == b':').ok_or(Absent::Malformed)?;
        let password = bytes.len() - colon - 1;
        // RFC 7617 section 2: no control characters, in either.
        let sound = (1..=MAX_USERNAME_BYTES).contains(&colon)
            && password <= MAX_PASSWORD_BYTES
            && !bytes.iter().any(u8::is_ascii_control);
        if sound { Ok(Self { bytes, colon }) } else { Err(Absent::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Result<(Vec<u8>, Vec<u8>), Absent> {
        Credentials::read(values.iter().copied()).map(|found| (found.username().to_vec(), found.password().to_vec()))
    }

    fn basic(bytes: &[u8]) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(bytes)).into_bytes()
    }

    #[test]
    fn nothing_is_guessed() {
        let good = b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
        for (values, absent) in [
            (&[][..], Absent::Missing),
            (&[&b""[..]], Absent::Missing),
            (&[b"Bearer abc"], Absent::Missing),
            (&[b"Basicx QWxhZGRpbjpvcGVuIHNlc2FtZQ=="], Absent::Missing),
            (&[b"Basic\tQWxhZGRpbjpvcGVuIHNlc2FtZQ=="], Absent::Missing),
            (&[&good[..], &good[..]], Absent::Ambiguous),
            (&[&good[..], b"Bearer abc"], Absent::Ambiguous),
            (&[b"Basic"], Absent::Malformed),
            (&[b"Basic "], Absent::Malformed),
            (&[b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ"], Absent::Malformed),
            (&[b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZR=="], Absent::Malformed),
            (&[b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==x"], Absent::Malformed),
            (&[b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== "], Absent::Malformed),
            (&[b"Basic QWxh ZGRpbjpvcGVuIHNlc2FtZQ=="], Absent::Malformed),
            (&[b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==, Basic QTpC"], Absent::Malformed),
            (&[b"Basic realm=\"x\""], Absent::Malformed),
            (&[b"Basic YWxpY2U="], Absent::Malformed), // alice, without a colon
            (&[b"Basic OnNlY3JldA=="], Absent::Malformed), // :secret
            (&[b"Basic _-__"], Absent::Malformed),
        ] {
            assert_eq!(read(values), Err(absent), "{:?}", values.first().map(|value| value.escape_ascii().to_string()));
        }
        for bytes in [&b"a\0:b"[..], b"a:b\0", b"a:b\x7f", b"a:b\r\n", b"a\x1f:b", b"a:\tb"] {
            assert_eq!(read(&[&basic(bytes)]), Err(Absent::Malformed), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_rfc_7617_has() {
        for (value, username, password) in [
            (&b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="[..], &b"Aladdin"[..], &b"open sesame"[..]), // section 2
            (b"basic   dGVzdDoxMjPCow==", b"test", "123£".as_bytes()),                          // section 2.1
            (b"BASIC YTo=", b"a", b""),
            (b"Basic YTpiOmM6", b"a", b"b:c:"),
            (b"Basic /zr//g==", b"\xff", b"\xff\xfe"),
        ] {
            assert_eq!(read(&[value]), Ok((username.to_vec(), password.to_vec())), "{}", value.escape_ascii());
        }
    }

    #[test]
    fn the_longest_and_one_more() {
        let (name, secret) = (vec![b'n'; MAX_USERNAME_BYTES], vec![b'p'; MAX_PASSWORD_BYTES]);
        let joined = |name: &[u8], secret: &[u8]| basic(&[name, b":", secret].concat());
        assert_eq!(read(&[&joined(&name, &secret)]), Ok((name.clone(), secret.clone())));
        let longer = |bytes: &[u8]| [bytes, b"x"].concat();
        assert_eq!(read(&[&joined(&longer(&name), b"")]), Err(Absent::Malformed));
        assert_eq!(read(&[&joined(b"a", &longer(&secret))]), Err(Absent::Malformed));
        assert_eq!(read(&[&basic(&vec![b'x'; 10_000])]), Err(Absent::Malformed));
    }
}
