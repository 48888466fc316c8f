//! A head as the signing schemes read it: what the client sent, before anything was normalised.

use polygate_head::{Flag, Framing, Head};
use polygate_signing::{Refusal, Request};

type Line<'a> = (&'a [u8], &'a [u8]);

/// Memory for the list of a request's headers, used again and again. Empty between two requests.
#[derive(Default)]
pub struct Lines(Vec<Line<'static>>);

/// How the client reached the gateway.
#[derive(Clone, Copy)]
pub struct Reached {
    pub tls: bool,
    /// The peer is a proxy whose `X-Forwarded-Proto` is believed.
    pub trusted: bool,
}

impl Reached {
    fn scheme(self, head: &Head) -> &'static str {
        let said = if self.trusted { head.header(b"x-forwarded-proto") } else { None };
        match said {
            Some(b"https") => "https",
            Some(b"http") => "http",
            _ if self.tls => "https",
            _ => "http",
        }
    }
}

/// Calls `work` with the request of a head.
///
/// In absolute form the target's authority decides the route, while signatures cover the Host field: where the two
/// differ, what was signed for one host could be sent to another.
pub fn with_request<R>(
    head: &Head,
    reached: Reached,
    lines: &mut Lines,
    work: impl FnOnce(&Request<'_>) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    if head.has(Flag::ABSOLUTE_FORM) && head.header(b"host").is_none_or(|host| !host.eq_ignore_ascii_case(head.host()))
    {
        return Err(Refusal::Malformed);
    }
    let mut headers = recycled(std::mem::take(&mut lines.0));
    headers.extend(head.headers());
    let result = work(&Request {
        method: head.method_text(),
        scheme: reached.scheme(head),
        authority: head.host(),
        target: head.raw_target(),
        headers: &headers,
    });
    lines.0 = recycled(headers);
    result
}

/// The memory of a list without what was in it, for other lifetimes: an iterator that is collected into the vector that it
/// came from.
fn recycled<'a>(mut lines: Vec<Line<'_>>) -> Vec<Line<'a>> {
    lines.clear();
    lines.into_iter().map(|_| -> Line<'a> { (b"", b"") }).collect()
}

/// Whether a body is to come.
pub fn has_body(head: &Head) -> bool {
    !matches!(head.framing(), Framing::None | Framing::Length(0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // Reason: a test may panic.
mod tests {
    use polygate_head::Limits;

    use super::*;

    fn seen(text: &str, reached: Reached) -> Result<String, Refusal> {
        let head = Head::parse(text.as_bytes(), &Limits::default()).unwrap();
        with_request(&head, reached, &mut Lines::default(), |request| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let lines: Vec<_> =
                request.headers.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
            Ok([
                text(request.method),
                request.scheme.into(),
                text(request.authority),
                text(request.target),
                lines.join(","),
            ]
            .join(" "))
        })
    }

    const PLAIN: Reached = Reached { tls: false, trusted: false };

    #[test]
    fn another_host_than_the_signed_one() {
        assert_eq!(seen("GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", PLAIN), Err(Refusal::Malformed));
        assert_eq!(seen("GET http://A/x HTTP/1.1\r\nHost: a\r\n\r\n", PLAIN).unwrap(), "GET http A /x Host=a");
    }

    #[test]
    fn what_the_client_sent() {
        let text = "PATCH /a/../b?%63 HTTP/1.1\r\nHost: a\r\nX-A:  1 \r\nx-forwarded-proto: https\r\n\r\n";
        let lines = "Host=a,X-A=1,x-forwarded-proto=https";
        for (tls, trusted, scheme) in [(false, false, "http"), (true, false, "https"), (false, true, "https")] {
            assert_eq!(seen(text, Reached { tls, trusted }).unwrap(), format!("PATCH {scheme} a /a/../b?%63 {lines}"));
        }
    }

    #[test]
    fn memory_is_used_again() {
        let text = b"text".to_vec();
        let mut lines: Vec<Line<'_>> = Vec::with_capacity(40);
        let memory = lines.as_ptr().cast::<u8>();
        lines.push((&text, &text));
        let again: Vec<Line<'static>> = recycled(lines);
        assert_eq!((again.len(), again.as_ptr().cast::<u8>()), (0, memory));
    }
}
