//! The header names that the gateway treats in a way of its own. Found by length and first letter: no hashing.

use crate::bytes::fold;

/// What a header field is to the gateway. Used as a bit number in sets of names, so it stays below 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Name {
    /// Forwarded as it came.
    Other,
    Host,
    ContentLength,
    TransferEncoding,
    Connection,
    Upgrade,
    Expect,
    RequestId,
    Via,
    Forwarded,
    ForwardedFor,
    ForwardedProto,
    ForwardedHost,
    ForwardedPort,
    /// `X-Forwarded-Prefix`, `-Server`, `-Ssl` and whatever else is named so.
    ForwardedOther,
    RealIp,
    /// `X-Consumer-*`: only the gateway may say who the consumer is.
    Consumer,
    /// For this connection only: Keep-Alive, TE, Trailer, HTTP2-Settings, Proxy-*; also `Proxy` (CVE-2016-5385).
    HopByHop,
    /// One of the above with `_` for `-`. Means nothing here, but a CGI-like server would take it for the real one.
    Disguised,
}

impl Name {
    /// The name as a set of one.
    #[inline]
    pub const fn bit(self) -> u32 {
        1 << self as u8
    }

    /// Names that neither a route nor a plugin may edit: they frame the message, or the connection is spoken of.
    pub const fn is_fixed(self) -> bool {
        matches!(
            self,
            Self::Host
                | Self::ContentLength
                | Self::TransferEncoding
                | Self::Connection
                | Self::Upgrade
                | Self::Expect
                | Self::HopByHop
        )
    }

    /// Classifies a field name. `underscore`: whether one is in it, which the caller knows from its own scan.
    #[inline]
    pub fn of(name: &[u8], underscore: bool) -> Self {
        if underscore {
            return Self::of_disguised(name);
        }
        // Most names in real traffic begin with a, c, u or s; only `c` and `u` of those are looked at further.
        match name.first().map_or(0, u8::to_ascii_lowercase) {
            b'c' => match name.len() {
                10 if is(name, b"connection") => Self::Connection,
                14 if is(name, b"content-length") => Self::ContentLength,
                _ => Self::Other,
            },
            b'h' => match name.len() {
                4 if is(name, b"host") => Self::Host,
                14 if is(name, b"http2-settings") => Self::HopByHop,
                _ => Self::Other,
            },
            b't' => match name.len() {
                2 if is(name, b"te") => Self::HopByHop,
                7 if is(name, b"trailer") => Self::HopByHop,
                17 if is(name, b"transfer-encoding") => Self::TransferEncoding,
                _ => Self::Other,
            },
            b'u' if is(name, b"upgrade") => Self::Upgrade,
            b'e' if is(name, b"expect") => Self::Expect,
            b'v' if is(name, b"via") => Self::Via,
            b'f' if is(name, b"forwarded") => Self::Forwarded,
            b'k' if is(name, b"keep-alive") => Self::HopByHop,
            b'p' if is(name, b"proxy") || begins(name, b"proxy-") => Self::HopByHop,
            b'x' => Self::of_x(name),
            _ => Self::Other,
        }
    }

    fn of_x(name: &[u8]) -> Self {
        match name.len() {
            9 if is(name, b"x-real-ip") => Self::RealIp,
            12 if is(name, b"x-request-id") => Self::RequestId,
            15 if is(name, b"x-forwarded-for") => Self::ForwardedFor,
            16 if is(name, b"x-forwarded-host") => Self::ForwardedHost,
            16 if is(name, b"x-forwarded-port") => Self::ForwardedPort,
            17 if is(name, b"x-forwarded-proto") => Self::ForwardedProto,
            _ if begins(name, b"x-forwarded-") => Self::ForwardedOther,
            _ if begins(name, b"x-consumer-") => Self::Consumer,
            _ => Self::Other,
        }
    }

    #[cold]
    fn of_disguised(name: &[u8]) -> Self {
        match Self::meant_by(name) {
            Self::Other => Self::Other,
            _ => Self::Disguised,
        }
    }

    /// What a name means where `_` counts as `-`.
    pub fn meant_by(name: &[u8]) -> Self {
        // Longer than any whole name above, so that a cut name can only match one of the families.
        let mut folded = [0u8; 24];
        let length = name.len().min(folded.len());
        for (to, &from) in folded.iter_mut().zip(name) {
            *to = fold(from);
        }
        Self::of(&folded[..length], false)
    }
}

#[inline]
fn is(name: &[u8], lower: &[u8]) -> bool {
    name.eq_ignore_ascii_case(lower)
}

#[inline]
fn begins(name: &[u8], lower: &[u8]) -> bool {
    name.get(..lower.len()).is_some_and(|start| start.eq_ignore_ascii_case(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_case() {
        for (text, name) in [
            ("Host", Name::Host),
            ("CONTENT-LENGTH", Name::ContentLength),
            ("transfer-Encoding", Name::TransferEncoding),
            ("proxy-authorization", Name::HopByHop),
            ("Proxy", Name::HopByHop),
            ("TE", Name::HopByHop),
            ("X-Forwarded-Prefix", Name::ForwardedOther),
            ("x-consumer-id", Name::Consumer),
            ("x-consumer", Name::Other),
            ("Hosts", Name::Other),
            ("x", Name::Other),
            ("", Name::Other),
        ] {
            assert_eq!(Name::of(text.as_bytes(), false), name, "{text}");
        }
    }

    #[test]
    fn underscores_disguise_only_names_that_mean_something() {
        for (text, name) in [
            ("Content_Length", Name::Disguised),
            ("x_forwarded_for", Name::Disguised),
            ("X_Consumer_With_A_Very_Long_Name_Indeed", Name::Disguised),
            ("x-forwarded_proto", Name::Disguised),
            ("my_header", Name::Other),
        ] {
            assert_eq!(Name::of(text.as_bytes(), true), name, "{text}");
        }
    }
}
