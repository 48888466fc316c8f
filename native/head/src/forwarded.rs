//! `X-Forwarded-*` and `Forwarded` (RFC 7239): where the request came from. What an untrusted peer says of it is not
//! passed on (`compose` has left it out by then); what a trusted proxy says is kept, and the peer's address added.

use crate::bytes::push_decimal;
use crate::compose::Composer;
use crate::name::Name;
use crate::policy::push_line;

impl<'a> Composer<'a> {
    pub(crate) fn forwarded_fields(&mut self) {
        let Self { head, policy, forwarding, .. } = *self;
        if self.wants(Name::ForwardedFor) {
            self.list(Name::ForwardedFor, b"x-forwarded-for: ", !forwarding.client_address.is_empty(), |composer| {
                composer.out.extend_from_slice(forwarding.client_address);
            });
        }
        let proto = self.given(Name::ForwardedProto);
        let host = self.given(Name::ForwardedHost);
        let port = self.given(Name::ForwardedPort);
        if self.wants(Name::ForwardedProto) {
            push_line(self.out, b"x-forwarded-proto", proto.unwrap_or(self.scheme()));
        }
        if self.wants(Name::ForwardedHost) {
            push_line(self.out, b"x-forwarded-host", host.unwrap_or(head.host()));
        }
        if self.wants(Name::ForwardedPort) {
            if let Some(port) = port {
                push_line(self.out, b"x-forwarded-port", port);
            } else if proto.or(host).is_none() && forwarding.port != 0 {
                // Beside a proxy's scheme or host our own port would describe another hop.
                self.out.extend_from_slice(b"x-forwarded-port: ");
                push_decimal(self.out, u64::from(forwarding.port));
                self.out.extend_from_slice(b"\r\n");
            }
        }
        if policy.rfc7239 && self.wants(Name::Forwarded) {
            self.list(Name::Forwarded, b"forwarded: ", true, Self::element);
        }
    }

    fn scheme(&self) -> &'static [u8] {
        if self.forwarding.tls { b"https" } else { b"http" }
    }

    /// A trusted proxy's values of a name, those that are not empty.
    fn given_all(&self, name: Name) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (fields, bytes) = self.head.fields();
        let fields = if self.forwarding.trusted { fields } else { &[] };
        fields
            .iter()
            .filter(move |field| field.name == name && field.value < field.value_end)
            .map(|field| field.value_in(bytes))
    }

    fn given(&self, name: Name) -> Option<&'a [u8]> {
        if self.forwarding.trusted { self.given_all(name).next() } else { None }
    }

    /// One line with a trusted proxy's values, and after them our own where there is one.
    fn list(&mut self, name: Name, start: &[u8], own: bool, write_own: impl FnOnce(&mut Self)) {
        let before = self.out.len();
        self.out.extend_from_slice(start);
        let values = self.out.len();
        for value in self.given_all(name) {
            self.out.extend_from_slice(value);
            self.out.extend_from_slice(b", ");
        }
        if own {
            write_own(self);
        } else if self.out.len() > values {
            self.out.truncate(self.out.len() - 2);
        } else {
            self.out.truncate(before);
            return;
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// RFC 7239 4: `for=1.2.3.4;host=a.example;proto=http`. What is no token is quoted; none of it can hold a quote.
    fn element(&mut self) {
        let address = self.forwarding.client_address;
        let (open, close): (&[u8], &[u8]) = if address.contains(&b':') { (b"\"[", b"]\"") } else { (b"", b"") };
        self.out.extend_from_slice(b"for=");
        self.out.extend_from_slice(open);
        self.out.extend_from_slice(if address.is_empty() { b"unknown" } else { address });
        self.out.extend_from_slice(close);
        let host = self.head.host();
        let quote: &[u8] = if host.contains(&b':') { b"\"" } else { b"" };
        self.out.extend_from_slice(b";host=");
        self.out.extend_from_slice(quote);
        self.out.extend_from_slice(host);
        self.out.extend_from_slice(quote);
        self.out.extend_from_slice(b";proto=");
        self.out.extend_from_slice(self.scheme());
    }
}
