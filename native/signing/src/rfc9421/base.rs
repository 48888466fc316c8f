//! The signature base (RFC 9421, 2.5): a line for each component, and one for the parameters.

use std::ops::Range;

use crate::{
    Refusal, Request, encoding,
    structured::{self, Bare, Item, Parameters},
};

pub fn build(request: &Request<'_>, components: &[Item<'_>], parameters: &Parameters<'_>) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(512);
    let mut seen: Vec<Range<usize>> = Vec::with_capacity(components.len());
    let mut query = None;
    for component in components {
        let begin = out.len();
        component.write(&mut out);
        let identifier = begin..out.len();
        if seen.iter().any(|one| out[one.clone()] == out[identifier.clone()]) {
            return Err(Refusal::Duplicate);
        }
        seen.push(identifier);
        out.extend_from_slice(b": ");
        let Bare::Text(name) = &component.bare else { return Err(Refusal::Malformed) };
        match (name.first(), component.parameters.as_slice()) {
            (Some(b'@'), parameters) => derived(request, name, parameters, &mut query, &mut out)?,
            (Some(_), parameters) => field(request, name, parameters, &mut out)?,
            (None, _) => return Err(Refusal::Malformed),
        }
        out.push(b'\n');
    }
    out.extend_from_slice(b"\"@signature-params\": ");
    structured::write_list(components, parameters, &mut out);
    Ok(out)
}

fn derived<'a>(
    request: &Request<'a>,
    name: &[u8],
    parameters: &[(&[u8], Bare)],
    query: &mut Option<Query<'a>>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    match (name, parameters) {
        (b"@method", []) => out.extend_from_slice(request.method),
        (b"@authority", []) => out.extend_from_slice(&authority(request)),
        (b"@scheme", []) => out.extend_from_slice(request.scheme.as_bytes()),
        (b"@request-target", []) => out.extend_from_slice(request.target),
        (b"@target-uri", []) => {
            out.extend_from_slice(request.scheme.as_bytes());
            out.extend_from_slice(b"://");
            out.extend_from_slice(&authority(request));
            out.extend_from_slice(request.target);
        }
        (b"@path", []) => match request.path() {
            b"" => out.push(b'/'),
            path => out.extend_from_slice(path),
        },
        (b"@query", []) => {
            out.push(b'?');
            out.extend_from_slice(request.query().unwrap_or_default());
        }
        (b"@query-param", [(b"name", Bare::Text(name))]) => {
            let query = match query {
                Some(query) => query,
                none => none.insert(Query::read(request)?),
            };
            out.extend_from_slice(&query.parameter(name)?);
        }
        _ => return Err(Refusal::Malformed),
    }
    Ok(())
}

/// RFC 9421, 2.2.3: lower case, without the scheme's own port.
fn authority(request: &Request<'_>) -> Vec<u8> {
    let lower = request.authority.to_ascii_lowercase();
    let own: &[u8] = if request.scheme == "https" { b":443" } else { b":80" };
    lower.strip_suffix(own).map_or_else(|| lower.clone(), <[u8]>::to_vec)
}

/// The parameters of a query: names encoded in the one way, values as they were sent. Read once, however many of them are
/// signed: names are cheap to list, and a query can be long.
struct Query<'a>(Vec<(Vec<u8>, &'a [u8])>);

impl<'a> Query<'a> {
    fn read(request: &Request<'a>) -> Result<Self, Refusal> {
        let pairs = request.query().unwrap_or_default().split(|byte| *byte == b'&').map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            Ok((form_encoded(&pair[..at])?, pair.get(at + 1..).unwrap_or_default()))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// RFC 9421, 2.2.8: a parameter that comes twice cannot be signed.
    fn parameter(&self, name: &[u8]) -> Result<Vec<u8>, Refusal> {
        let mut values = self.0.iter().filter(|(one, _)| one == name).map(|(_, value)| *value);
        let first = values.next().ok_or(Refusal::Missing)?;
        if values.next().is_some() { Err(Refusal::Duplicate) } else { form_encoded(first) }
    }
}

/// Decoded as a form, and encoded again in the one way: a blank is `%20`.
fn form_encoded(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    let blanks: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let mut out = Vec::with_capacity(text.len());
    for byte in encoding::percent(&blanks).ok_or(Refusal::Malformed)? {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    Ok(out)
}

fn field(request: &Request<'_>, name: &[u8], parameters: &[(&[u8], Bare)], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let is_name =
        |byte: &u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b":\"(),/;<=>?@[\\]{}".contains(byte);
    if !name.iter().all(is_name) {
        return Err(Refusal::Malformed);
    }
    let values: Vec<&[u8]> = request.values(name).collect();
    if values.is_empty() {
        return Err(Refusal::Missing);
    }
    match parameters {
        [] => out.extend_from_slice(&values.join(&b", "[..])),
        // 2.1.3: each value on its own, so that commas inside of one do not make two.
        [(b"bs", Bare::Boolean(true))] => {
            let wrapped = values.iter().map(|value| format!(":{}:", encoding::to_base64(value)));
            out.extend_from_slice(wrapped.collect::<Vec<_>>().join(", ").as_bytes());
        }
        [(b"key", Bare::Text(key))] => {
            let text = values.join(&b", "[..]);
            let members = structured::dictionary(&text)?;
            let (_, member) = members.iter().find(|(one, _)| *one == key.as_slice()).ok_or(Refusal::Missing)?;
            member.write(out);
        }
        _ => return Err(Refusal::Malformed),
    }
    Ok(())
}
