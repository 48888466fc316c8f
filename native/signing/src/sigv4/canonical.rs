//! The canonical request.

use super::Path;
use crate::{Refusal, Request, encoding};

/// What stands for the body.
#[derive(Clone, Copy)]
pub enum Payload {
    Hash([u8; 32]),
    Unsigned,
}

impl Payload {
    pub fn text(self) -> String {
        match self {
            Self::Hash(hash) => encoding::to_hex(&hash),
            Self::Unsigned => "UNSIGNED-PAYLOAD".into(),
        }
    }
}

/// `ours` are headers that are about to be set, in place of the request's.
pub fn canonical_request(
    request: &Request<'_>,
    form: Path,
    signed_headers: &[Vec<u8>],
    ours: &[(&[u8], &[u8])],
    payload: Payload,
) -> Result<Vec<u8>, Refusal> {
    let mut out = request.method.to_vec();
    out.push(b'\n');
    match form {
        Path::AsSent => out.extend_from_slice(request.path()),
        Path::Normalized => encode(&normalized(request.path()), b"/", &mut out),
    }
    out.push(b'\n');
    query(request, &mut out)?;
    out.push(b'\n');
    for name in signed_headers {
        let set = ours.iter().filter(|(one, _)| one == name).map(|(_, value)| *value);
        let mut values: Vec<&[u8]> = set.collect();
        if values.is_empty() {
            values = request.values(name).collect();
        }
        if values.is_empty() && name == b"host" {
            values.push(request.authority);
        }
        // Two hosts, dates or hashes are two meanings.
        if values.len() > 1 && (name == b"host" || name.starts_with(b"x-amz-")) {
            return Err(Refusal::Duplicate);
        }
        if values.is_empty() {
            return Err(Refusal::Missing);
        }
        out.extend_from_slice(name);
        out.push(b':');
        out.extend_from_slice(&values.into_iter().map(collapsed).collect::<Vec<_>>().join(&b','));
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(&signed_headers.join(&b';'));
    out.push(b'\n');
    out.extend_from_slice(payload.text().as_bytes());
    Ok(out)
}

/// One blank where there were several.
fn collapsed(value: &[u8]) -> Vec<u8> {
    value.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(&b' ')
}

/// Names and values, decoded.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// All parameters. A bare `+` is a blank to some and a plus to others: it is refused.
pub fn pairs(request: &Request<'_>) -> Result<Pairs, Refusal> {
    let mut pairs = Vec::new();
    for pair in request.query().unwrap_or_default().split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if pair.contains(&b'+') {
            return Err(Refusal::Malformed);
        }
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let decode = |text: &[u8]| encoding::percent(text).ok_or(Refusal::Malformed);
        pairs.push((decode(&pair[..at])?, decode(pair.get(at + 1..).unwrap_or_default())?));
    }
    Ok(pairs)
}

/// Sorted after encoding, without the signature itself.
fn query(request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut encoded: Pairs = pairs(request)?
        .into_iter()
        .filter(|(name, _)| name != b"X-Amz-Signature")
        .map(|(name, value)| {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            encode(&name, b"", &mut one);
            encode(&value, b"", &mut other);
            (one, other)
        })
        .collect();
    encoded.sort();
    for (place, (name, value)) in encoded.iter().enumerate() {
        out.extend_from_slice(if place > 0 { b"&" } else { b"" });
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
    Ok(())
}

/// RFC 3986's unreserved characters stay, and those of `also`.
fn encode(text: &[u8], also: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also.contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

/// Without empty and dot segments; a slash at the end stays.
fn normalized(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.split(|byte| *byte == b'/') {
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let mut out = b"/".to_vec();
    out.extend_from_slice(&kept.join(&b'/'));
    let ends_open = path.ends_with(b"/") || path.ends_with(b"/.") || path.ends_with(b"/..");
    if ends_open && out.len() > 1 {
        out.push(b'/');
    }
    out
}
