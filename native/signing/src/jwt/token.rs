//! The compact form (RFC 7515, 7.1): three parts, and the header in the first of them.

use super::{Refusal, json};
use crate::encoding::base64url;

/// No longer token is looked at.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
const MAX_HEADER_BYTES: usize = 2 * 1024;

/// A token before its signature was verified.
pub struct Token<'a> {
    pub algorithm: String,
    pub key_id: Option<String>,
    /// `typ`, in lower case, without `application/`.
    pub kind: Option<String>,
    pub signed: &'a [u8],
    pub signature: Vec<u8>,
    payload: &'a [u8],
}

impl<'a> Token<'a> {
    pub fn parse(token: &'a [u8]) -> Result<Self, Refusal> {
        Self::read(token).ok_or(Refusal::Malformed)
    }

    fn read(token: &'a [u8]) -> Option<Self> {
        let mut parts = token.split(|byte| *byte == b'.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || header.is_empty() || payload.is_empty() || signature.is_empty() {
            return None;
        }
        if header.len() > MAX_HEADER_BYTES {
            return None;
        }
        let members = json::object(&base64url(header)?)?;
        // Nothing critical is understood, and a payload that is not base64url (RFC 7797) would be.
        if members.contains_key("crit") || members.contains_key("b64") {
            return None;
        }
        let text = |name: &str| match members.get(name) {
            None => Some(None),
            Some(value) => value.text().map(|text| Some(text.to_owned())),
        };
        Some(Self {
            algorithm: text("alg")??,
            key_id: text("kid")?,
            kind: text("typ")?.map(|kind| media_type(&kind)),
            signed: &token[..header.len() + 1 + payload.len()],
            signature: base64url(signature)?,
            payload,
        })
    }

    /// To be called once the signature was verified.
    pub fn claims(&self) -> Result<json::Object, Refusal> {
        base64url(self.payload).and_then(|payload| json::object(&payload)).ok_or(Refusal::Malformed)
    }
}

/// RFC 7515, 4.1.9: compared without case, and `application/` may be left out.
pub fn media_type(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    text.strip_prefix("application/").unwrap_or(&text).to_owned()
}

/// The one credential of `Authorization` values, where it is a bearer token (RFC 6750, 2.1). Another scheme is none.
pub fn bearer<'a>(values: impl Iterator<Item = &'a [u8]>) -> Result<&'a [u8], Refusal> {
    let value = only(values)?;
    let (scheme, token) = value.split_at_checked(BEARER.len()).ok_or(Refusal::Missing)?;
    if !scheme.eq_ignore_ascii_case(BEARER) {
        return Err(Refusal::Missing);
    }
    match token {
        [b' ', token @ ..] => Ok(token.trim_ascii_start()),
        [] => Err(Refusal::Malformed),
        _ => Err(Refusal::Missing),
    }
}

const BEARER: &[u8] = b"bearer";

/// The one value of a header that holds nothing else.
pub fn only<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<&'a [u8], Refusal> {
    let value = values.next().ok_or(Refusal::Missing)?;
    if values.next().is_some() {
        return Err(Refusal::Ambiguous);
    }
    if value.is_empty() { Err(Refusal::Missing) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_one_value_of_that_scheme() {
        for (values, found) in [
            (&[][..], Err(Refusal::Missing)),
            (&[&b""[..]], Err(Refusal::Missing)),
            (&[b"Bearer a.b.c"], Ok(&b"a.b.c"[..])),
            (&[b"bEARER   a.b.c"], Ok(b"a.b.c")),
            (&[b"Basic YTpi"], Err(Refusal::Missing)),
            (&[b"Bear"], Err(Refusal::Missing)),
            (&[b"Bearer"], Err(Refusal::Malformed)),
            (&[b"Bearer\ta"], Err(Refusal::Missing)),
            (&[b"Bearers a"], Err(Refusal::Missing)),
            (&[b"Bearer a", b"Bearer a"], Err(Refusal::Ambiguous)),
            (&[b"Basic a", b"Bearer a"], Err(Refusal::Ambiguous)),
        ] {
            assert_eq!(bearer(values.iter().copied()), found, "{values:?}");
        }
    }

    #[test]
    fn types_are_compared_as_media_types() {
        for text in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/at+JWT"] {
            assert_eq!(media_type(text), "at+jwt");
        }
    }
}
