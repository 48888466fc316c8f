//! Signs whole heads on their way to an upstream: the headers that a scheme needs are put into the head, in place of those
//! that a client sent under their names.

use crate::{
    Refusal, Request, SigningKey, body, cavage, http_date,
    rfc9421::{self, Signed},
    sigv4,
};

/// What signs.
#[derive(Debug)]
pub enum Scheme {
    /// Draft-cavage. `date` and `digest` are added where they are in its names.
    Cavage(cavage::Signer),
    /// RFC 9421. `date` and `content-digest` are added where they are in its components.
    Rfc9421(rfc9421::Signer),
    /// AWS Signature Version 4, in the header.
    SigV4(sigv4::Signer),
}

/// Signs heads for one upstream. What is configured and a request does not have is left unsigned, except for what the
/// scheme adds.
#[derive(Debug)]
pub struct HeadSigner {
    scheme: Scheme,
    tls: bool,
}

/// What goes into a head.
type Lines = Vec<(&'static str, String)>;

impl HeadSigner {
    /// `tls`: how the upstream is reached, which some components say. Errors: what cannot sign any request.
    pub fn new(scheme: Scheme, tls: bool) -> Result<Self, Refusal> {
        let signer = Self { scheme, tls };
        let mut head = b"GET /a?b=c HTTP/1.1\r\nhost: a.example\r\n\r\n".to_vec();
        signer.sign(&mut head, 0, Some(&body::sha256(b"")), 1_700_000_000, "0")?;
        Ok(signer)
    }

    /// Whether the SHA-256 of a body is wanted: the body has to be there before its head leaves.
    pub fn signs_body(&self) -> bool {
        match &self.scheme {
            Scheme::Cavage(signer) => has(&signer.names, self.digest()),
            Scheme::Rfc9421(signer) => has(&signer.components, self.digest()),
            Scheme::SigV4(_) => true,
        }
    }

    /// Signs the head that begins at `from` of `out` and ends with it. `body_sha256`: None for a body that is not signed.
    /// `now` in Unix seconds; `nonce`: of visible ASCII, another one each time, for schemes that have one. After an error
    /// `out` is as it was.
    pub fn sign(
        &self,
        out: &mut Vec<u8>,
        from: usize,
        body_sha256: Option<&[u8; 32]>,
        now: u64,
        nonce: &str,
    ) -> Result<(), Refusal> {
        let head = out.get(from..).ok_or(Refusal::Malformed)?;
        let (start, fields) = head.split_at(end_of_line(head).ok_or(Refusal::Malformed)?);
        let mut words = start.split(|byte| *byte == b' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(Refusal::Malformed) };
        let mut lines: Vec<(&[u8], &[u8])> = Vec::with_capacity(32);
        for line in fields.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let colon = line.iter().position(|byte| *byte == b':').ok_or(Refusal::Malformed)?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            if !self.is_ours(name) {
                lines.push((name, value));
            }
        }
        let host = lines.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"host")).map(|(_, value)| *value);
        let added = self.added(body_sha256, now)?;
        let mut seen = lines.clone();
        seen.extend(added.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let request = Request {
            method,
            scheme: if self.tls { "https" } else { "http" },
            authority: host.ok_or(Refusal::Missing)?,
            target,
            headers: &seen,
        };
        let signature = self.signature(&request, body_sha256, now, nonce)?;
        let mut signed = Vec::with_capacity(head.len() + 512);
        signed.extend_from_slice(start);
        signed.extend_from_slice(b"\r\n");
        let added = added.iter().chain(&signature).map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        for (name, value) in lines.iter().copied().chain(added) {
            for part in [name, b": ", value, b"\r\n"] {
                signed.extend_from_slice(part);
            }
        }
        signed.extend_from_slice(b"\r\n");
        out.truncate(from);
        out.extend_from_slice(&signed);
        Ok(())
    }

    /// Whether a header is the signature's, or is put in for it: a client's is not sent.
    fn is_ours(&self, name: &[u8]) -> bool {
        let (always, names): (&[&str], &[String]) = match &self.scheme {
            Scheme::Cavage(signer) => (&["authorization", "signature"], &signer.names),
            Scheme::Rfc9421(signer) => (&["signature", "signature-input"], &signer.components),
            Scheme::SigV4(_) => (&["authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"], &[]),
        };
        let is = |one: &&str| name.eq_ignore_ascii_case(one.as_bytes());
        always.iter().any(is) || ["date", self.digest()].iter().any(|one| is(one) && has(names, one))
    }

    /// The header that says what the body hashes to.
    fn digest(&self) -> &'static str {
        if matches!(self.scheme, Scheme::Cavage(_)) { "digest" } else { "content-digest" }
    }

    /// Headers that are signed and that the request has from us.
    fn added(&self, body_sha256: Option<&[u8; 32]>, now: u64) -> Result<Lines, Refusal> {
        let mut lines = Lines::new();
        let names = match &self.scheme {
            Scheme::Cavage(signer) => &signer.names,
            Scheme::Rfc9421(signer) => &signer.components,
            Scheme::SigV4(_) => return Ok(lines),
        };
        if has(names, "date") {
            lines.push(("date", http_date::write(now).ok_or(Refusal::ImpossibleClock)?));
        }
        if let Some(hash) = body_sha256.filter(|_| has(names, self.digest())) {
            let is_old = matches!(self.scheme, Scheme::Cavage(_));
            let value = if is_old { body::digest_of_hash(hash) } else { body::content_digest_of_hash(hash) };
            lines.push((self.digest(), value));
        }
        Ok(lines)
    }

    fn signature(
        &self,
        request: &Request<'_>,
        body_sha256: Option<&[u8; 32]>,
        now: u64,
        nonce: &str,
    ) -> Result<Lines, Refusal> {
        let there = |name: &&String| !is_field(name) || request.values(name.as_bytes()).next().is_some();
        Ok(match &self.scheme {
            Scheme::Cavage(signer) => {
                let names: Vec<&str> = signer.names.iter().filter(there).map(String::as_str).collect();
                vec![("authorization", signer.sign_names(request, &names, now)?)]
            }
            Scheme::Rfc9421(signer) => {
                let components: Vec<&str> = signer.components.iter().filter(there).map(String::as_str).collect();
                let Signed { input, signature } = signer.sign_components(request, &components, now, Some(nonce))?;
                vec![("signature-input", input), ("signature", signature)]
            }
            Scheme::SigV4(signer) => {
                let sigv4::Signed { date, content_sha256, authorization } = signer.sign(request, body_sha256, now)?;
                vec![("x-amz-date", date), ("x-amz-content-sha256", content_sha256), ("authorization", authorization)]
            }
        })
    }
}

/// A header, as opposed to what a scheme makes of the request: `(request-target)`, `@method`, `request-line`.
fn is_field(name: &str) -> bool {
    !name.starts_with(['@', '(']) && name != "request-line"
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

/// Of the line with which the head begins, without the line's end.
fn end_of_line(head: &[u8]) -> Option<usize> {
    head.windows(2).position(|two| two == b"\r\n")
}

/// A key for one of the schemes that take any.
pub fn key(algorithm: crate::Algorithm, material: &[u8]) -> Option<SigningKey> {
    match crate::Secret::new(material).and_then(|secret| SigningKey::hmac(algorithm, &secret)) {
        Some(key) => Some(key),
        None => SigningKey::private(algorithm, material),
    }
}
