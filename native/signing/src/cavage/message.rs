//! The bytes that are signed, in each dialect.

use super::{Dialect, header::Parameters};
use crate::{Refusal, Request, encoding};

/// The names under which method and target are signed.
pub const fn target_names(dialect: Dialect) -> &'static [&'static [u8]] {
    match dialect {
        Dialect::Cavage | Dialect::Cavage10 | Dialect::Tyk => &[b"(request-target)"],
        Dialect::Kong => &[b"@request-target", b"request-line"],
        Dialect::Apisix => &[b"@request-target"],
    }
}

pub fn build(
    dialect: Dialect,
    request: &Request<'_>,
    parameters: &Parameters<'_>,
    listed: &[&[u8]],
) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(256);
    if dialect == Dialect::Apisix {
        out.extend_from_slice(parameters.key_id);
        out.push(b'\n');
    }
    for name in listed {
        let before = out.len();
        if target_names(dialect).contains(name) {
            // Kong and APISIX look for a header of that name first; here it may not exist.
            if request.values(name).next().is_some() {
                return Err(Refusal::Malformed);
            }
            target(dialect, name, request, &mut out)?;
        } else if let (b"(created)", Some(seconds)) = (*name, parameters.created) {
            out.extend_from_slice(format!("(created): {seconds}").as_bytes());
        } else if let (b"(expires)", Some(seconds)) = (*name, parameters.expires) {
            out.extend_from_slice(format!("(expires): {seconds}").as_bytes());
        } else {
            header(dialect, name, request, &mut out)?;
        }
        // APISIX leaves out what is absent, line end and all.
        if out.len() > before || dialect != Dialect::Apisix {
            out.push(b'\n');
        }
    }
    if dialect != Dialect::Apisix {
        out.pop();
    }
    Ok(out)
}

fn target(dialect: Dialect, name: &[u8], request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let lower = request.method.to_ascii_lowercase();
    match dialect {
        Dialect::Cavage | Dialect::Cavage10 => push(out, &[b"(request-target): ", &lower, b" ", request.target]),
        Dialect::Tyk => {
            let path = encoding::percent(request.path()).ok_or(Refusal::Malformed)?;
            // An encoded line end would let a path write lines of its own.
            if path.iter().any(u8::is_ascii_control) {
                return Err(Refusal::Malformed);
            }
            push(out, &[b"(request-target): ", &lower, b" ", &path]);
        }
        Dialect::Kong if name == b"request-line" => push(out, &[request.method, b" ", request.target, b" HTTP/1.1"]),
        Dialect::Kong => push(out, &[b"@request-target: ", &lower, b" ", request.target]),
        Dialect::Apisix => push(out, &[request.method, b" ", request.target]),
    }
    Ok(())
}

fn header(dialect: Dialect, name: &[u8], request: &Request<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let joins = matches!(dialect, Dialect::Cavage | Dialect::Cavage10);
    if joins && !SINGLE.contains(&name) {
        let mut values = request.values(name);
        let first = values.next().ok_or(Refusal::Missing)?;
        push(out, &[name, b": ", first]);
        for value in values {
            push(out, &[b", ", value]);
        }
        return Ok(());
    }
    let lower = name.to_ascii_lowercase();
    match dialect {
        Dialect::Tyk => {
            let auxiliary = lower == b"date" && request.single(b"x-aux-date")?.is_some();
            let name: &[u8] = if auxiliary { b"x-aux-date" } else { &lower };
            push(out, &[name, b": ", request.single(name)?.ok_or(Refusal::Missing)?]);
        }
        Dialect::Kong => match request.single(name)? {
            Some(value) => push(out, &[name, b": ", value]),
            None => push(out, &[name, b":"]),
        },
        Dialect::Apisix => {
            if let Some(value) = request.single(name)? {
                push(out, &[name, b": ", value]);
            }
        }
        Dialect::Cavage | Dialect::Cavage10 => {
            push(out, &[name, b": ", request.single(name)?.ok_or(Refusal::Missing)?]);
        }
    }
    Ok(())
}

/// Two of these are two meanings, not a list.
const SINGLE: [&[u8]; 5] = [b"host", b"date", b"content-length", b"content-type", b"authorization"];

fn push(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}
