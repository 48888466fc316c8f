//! Reads `Signature keyId="..",algorithm="..",headers="..",signature=".."` and Kong's `hmac username=".."`. Greedy
//! patterns read other things into these than their authors meant; here each parameter is read once, wholly, or the
//! request is refused.

use super::Dialect;
use crate::{Refusal, Request, encoding};

/// What the header says.
#[derive(Debug, Default)]
pub struct Parameters<'a> {
    pub key_id: &'a [u8],
    pub algorithm: Option<&'a [u8]>,
    pub created: Option<u64>,
    pub expires: Option<u64>,
    pub names: Option<&'a [u8]>,
    pub signature: Option<&'a [u8]>,
}

/// The one header that carries the signature.
pub fn find<'a>(dialect: Dialect, request: &Request<'a>) -> Result<Parameters<'a>, Refusal> {
    let scheme: &[u8] = if dialect == Dialect::Kong { b"hmac" } else { b"signature" };
    let mut found = None;
    let carriers: &[&[u8]] = match dialect {
        Dialect::Kong => &[b"proxy-authorization", b"authorization"],
        _ => &[b"authorization"],
    };
    for carrier in carriers {
        for value in request.values(carrier) {
            if let Some(text) = after_scheme(scheme, value) {
                once(&mut found, text)?;
            }
        }
    }
    if matches!(dialect, Dialect::Cavage | Dialect::Cavage10) {
        for value in request.values(b"signature") {
            once(&mut found, value)?;
        }
    }
    let parameters = read(dialect, found.ok_or(Refusal::Missing)?)?;
    if parameters.key_id.is_empty() || parameters.signature.is_none_or(<[u8]>::is_empty) {
        return Err(Refusal::Missing);
    }
    Ok(parameters)
}

impl<'a> Parameters<'a> {
    /// The names that are signed, none twice.
    pub fn listed(&self, dialect: Dialect) -> Result<Vec<&'a [u8]>, Refusal> {
        let Some(names) = self.names else {
            return match dialect {
                Dialect::Cavage => Ok(vec![b"(created)"]),
                Dialect::Kong => Err(Refusal::Missing),
                Dialect::Cavage10 | Dialect::Tyk | Dialect::Apisix => Ok(vec![b"date"]),
            };
        };
        let strict = matches!(dialect, Dialect::Cavage | Dialect::Cavage10);
        let mut listed: Vec<&[u8]> = Vec::with_capacity(8);
        for name in names.split(|byte| *byte == b' ') {
            let is_plain =
                every(name, |byte| byte.is_ascii_graphic() && byte != b':' && !(strict && byte.is_ascii_uppercase()));
            // An empty name is an empty list, or two blanks.
            if name.is_empty() || !is_plain {
                return Err(Refusal::Malformed);
            }
            if super::contains(&listed, name) {
                return Err(Refusal::Duplicate);
            }
            listed.push(name);
            if listed.len() > 64 {
                return Err(Refusal::Malformed);
            }
        }
        self.times_allowed(dialect, &listed)?;
        Ok(listed)
    }

    /// draft-cavage-12, 2.3: `(created)` and `(expires)` need their parameter, and no algorithm of before hs2019.
    fn times_allowed(&self, dialect: Dialect, listed: &[&[u8]]) -> Result<(), Refusal> {
        let old =
            self.algorithm.is_some_and(|name| [&b"rsa"[..], b"hmac", b"ecdsa"].iter().any(|o| name.starts_with(o)));
        for (name, parameter) in [(&b"(created)"[..], self.created), (b"(expires)", self.expires)] {
            let is_listed = super::contains(listed, name);
            if is_listed && (old || parameter.is_none() || dialect != Dialect::Cavage) {
                return Err(Refusal::Malformed);
            }
        }
        Ok(())
    }

    /// The signature's bytes.
    pub fn signature(&self, dialect: Dialect) -> Result<Vec<u8>, Refusal> {
        let text = self.signature.ok_or(Refusal::Missing)?;
        let bytes = if dialect == Dialect::Tyk {
            encoding::percent(text).and_then(|text| encoding::base64(&text))
        } else {
            encoding::base64(text)
        };
        bytes.filter(|bytes| !bytes.is_empty()).ok_or(Refusal::Malformed)
    }
}

fn once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8]) -> Result<(), Refusal> {
    if slot.replace(value).is_some() { Err(Refusal::Duplicate) } else { Ok(()) }
}

/// What follows the scheme's name and at least one blank.
fn after_scheme<'a>(scheme: &[u8], value: &'a [u8]) -> Option<&'a [u8]> {
    let (name, rest) = value.split_at_checked(scheme.len())?;
    (name.eq_ignore_ascii_case(scheme) && rest.first() == Some(&b' ')).then(|| rest.trim_ascii())
}

fn read(dialect: Dialect, text: &[u8]) -> Result<Parameters<'_>, Refusal> {
    let mut parameters = Parameters::default();
    let (mut key_id, mut created, mut expires) = (None, None, None);
    let mut order: Vec<&[u8]> = Vec::with_capacity(8);
    let mut rest = text;
    loop {
        let (name, value, after) = parameter(rest).ok_or(Refusal::Malformed)?;
        if order.contains(&name) {
            return Err(Refusal::Duplicate);
        }
        order.push(name);
        let kong = dialect == Dialect::Kong;
        match (name, value) {
            (b"keyId", Value::Text(text)) if !kong => key_id = Some(text),
            (b"username", Value::Text(text)) if kong => key_id = Some(text),
            (b"algorithm", Value::Text(text)) => parameters.algorithm = Some(text),
            (b"headers", Value::Text(text)) => parameters.names = Some(text),
            (b"signature", Value::Text(text)) => parameters.signature = Some(text),
            (b"created", Value::Number(number)) if dialect == Dialect::Cavage => created = Some(number),
            (b"expires", Value::Number(number)) if dialect == Dialect::Cavage => expires = Some(number),
            // Unknown ones too: what is not understood may not be ignored.
            _ => return Err(Refusal::Malformed),
        }
        if after.is_empty() {
            break;
        }
        rest = after.strip_prefix(b",").ok_or(Refusal::Malformed)?.trim_ascii_start();
    }
    if dialect == Dialect::Kong && order != [&b"username"[..], b"algorithm", b"headers", b"signature"] {
        return Err(Refusal::Malformed);
    }
    Ok(Parameters { key_id: key_id.ok_or(Refusal::Missing)?, created, expires, ..parameters })
}

enum Value<'a> {
    Text(&'a [u8]),
    Number(u64),
}

/// `name="text"` or `name=123`, and what follows. No escapes: no value here needs one.
fn parameter(text: &[u8]) -> Option<(&[u8], Value<'_>, &[u8])> {
    let at = memchr::memchr(b'=', text)?;
    let (name, rest) = (&text[..at], &text[at + 1..]);
    if name.is_empty() || !name.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    if let Some(quoted) = rest.strip_prefix(b"\"") {
        let (value, after) = quoted.split_at(memchr::memchr(b'"', quoted)?);
        let plain = every(value, |byte| matches!(byte, b' '..=b'~') && byte != b'\\');
        return plain.then(|| (name, Value::Text(value), after[1..].trim_ascii_start()));
    }
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    Some((name, Value::Number(encoding::decimal(&rest[..end])?), rest[end..].trim_ascii_start()))
}

/// Like `all`, but it reads to the end, which the compiler makes sixteen bytes at a time of.
fn every(text: &[u8], holds: impl Fn(u8) -> bool) -> bool {
    text.iter().fold(true, |so_far, byte| so_far & holds(*byte))
}
