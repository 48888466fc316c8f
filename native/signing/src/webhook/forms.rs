//! Twilio's and Shopify's messages, which are made of form fields and query parameters.

use sha2::{Digest as _, Sha256};

use crate::{Refusal, Request, encoding};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Fields of a form, parameters of a query: far more than a vendor sends. They are listed and sorted before anything of them
/// is verified: without a bound a body of 1 MiB cost 120 ms.
const MOST_FIELDS: usize = 1024;

/// The URL as Twilio may have seen it, with the fields of a form: sorted, each value of a field once.
pub fn twilio(request: &Request<'_>, body: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    let media = request.single(b"content-type")?.unwrap_or_default();
    let media = media.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let mut fields = Vec::new();
    if media.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        let mut pairs = pairs(body)?;
        pairs.sort();
        pairs.dedup();
        for (name, value) in pairs {
            fields.extend_from_slice(&name);
            fields.extend_from_slice(&value);
        }
    } else if !body.is_empty() {
        covers_body(request, body)?;
    }
    let urls = urls(request);
    Ok(urls.into_iter().map(|url| [url, fields.clone()].concat()).collect())
}

/// Another body than a form is signed by its hash in the URL. It has to be there: without, nothing signs the body.
fn covers_body(request: &Request<'_>, body: &[u8]) -> Result<(), Refusal> {
    let query = pairs(request.query().unwrap_or_default())?;
    let mut said = query.iter().filter(|(name, _)| name == b"bodySHA256").map(|(_, value)| value);
    let first = said.next().ok_or(Refusal::NotCovered)?;
    if said.next().is_some() {
        return Err(Refusal::Duplicate);
    }
    let hash: [u8; 32] = encoding::hex(first).ok_or(Refusal::Malformed)?;
    if hash == <[u8; 32]>::from(Sha256::digest(body)) { Ok(()) } else { Err(Refusal::WrongDigest) }
}

/// With the port and without: Twilio's libraries try both.
fn urls(request: &Request<'_>) -> Vec<Vec<u8>> {
    let own: &[u8] = if request.scheme == "https" { b":443" } else { b":80" };
    let url =
        |authority: &[u8], port: &[u8]| [request.scheme.as_bytes(), b"://", authority, port, request.target].concat();
    let port_at = request.authority.iter().rposition(|byte| *byte == b':').filter(|at| {
        let port = &request.authority[at + 1..];
        !port.is_empty() && port.iter().all(u8::is_ascii_digit)
    });
    match port_at {
        Some(at) => vec![url(request.authority, b""), url(&request.authority[..at], b"")],
        None => vec![url(request.authority, b""), url(request.authority, own)],
    }
}

/// A query that Shopify signed.
pub struct Query {
    pub signature: Vec<u8>,
    pub timestamp: Vec<u8>,
    pub message: Vec<u8>,
}

pub fn shopify(request: &Request<'_>, proxy: bool) -> Result<Query, Refusal> {
    let mut pairs = pairs(request.query().unwrap_or_default())?;
    let carrier: &[u8] = if proxy { b"signature" } else { b"hmac" };
    for name in [&b"hmac"[..], b"signature", b"timestamp", b"shop"] {
        if pairs.iter().filter(|(one, _)| one == name).count() > 1 {
            return Err(Refusal::Duplicate);
        }
    }
    let value = |name: &[u8]| pairs.iter().find(|(one, _)| one == name).map(|(_, value)| value.clone());
    let (signature, timestamp) =
        (value(carrier).ok_or(Refusal::Missing)?, value(b"timestamp").ok_or(Refusal::Missing)?);
    pairs.retain(|(name, _)| name != b"hmac" && name != b"signature");
    // By names only: the values of one name keep their order.
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut message = Vec::new();
    if proxy {
        for group in pairs.chunk_by(|(one, _), (other, _)| one == other) {
            let values: Vec<&[u8]> = group.iter().map(|(_, value)| value.as_slice()).collect();
            message.extend_from_slice(&group[0].0);
            message.push(b'=');
            message.extend_from_slice(&values.join(&b','));
        }
    } else {
        if !pairs.is_sorted_by(|(one, _), (other, _)| one < other) {
            return Err(Refusal::Duplicate);
        }
        for (place, (name, value)) in pairs.iter().enumerate() {
            message.extend_from_slice(if place > 0 { b"&" } else { b"" });
            form_encode(name, &mut message);
            message.push(b'=');
            form_encode(value, &mut message);
        }
    }
    Ok(Query { signature, timestamp, message })
}

/// As a browser encodes a form, but for blanks, which are `%20`.
fn form_encode(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(byte) {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

/// The fields of a form, decoded.
fn pairs(text: &[u8]) -> Result<Pairs, Refusal> {
    let decode = |text: &[u8]| {
        let blanks: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        encoding::percent(&blanks).ok_or(Refusal::Malformed)
    };
    let fields = || text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    if fields().nth(MOST_FIELDS).is_some() {
        return Err(Refusal::Malformed);
    }
    fields()
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            Ok((decode(&pair[..at])?, decode(pair.get(at + 1..).unwrap_or_default())?))
        })
        .collect()
}
