//! What the upstream is told of the client's verified certificate, on routes that are configured so.

use crate::bytes::is_field_value;
use crate::policy::push_line;

/// Texts about a certificate, each a field value; an empty one is not sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Certificate<'a> {
    /// RFC 4514.
    pub subject: &'a [u8],
    /// A list of strings (RFC 9651).
    pub names: &'a [u8],
    /// Hexadecimal.
    pub sha256: &'a [u8],
    /// Hexadecimal.
    pub serial: &'a [u8],
    /// RFC 3339.
    pub not_after: &'a [u8],
}

/// What a route wants to be sent of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Reason: the fields of `Certificate` describe them.
pub enum CertificateField {
    Subject,
    Names,
    Sha256,
    Serial,
    NotAfter,
}

impl CertificateField {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Subject, Self::Names, Self::Sha256, Self::Serial, Self::NotAfter];

    /// The header field that it is sent in.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Subject => "x-client-cert-subject",
            Self::Names => "x-client-cert-san",
            Self::Sha256 => "x-client-cert-sha256",
            Self::Serial => "x-client-cert-serial",
            Self::NotAfter => "x-client-cert-not-after",
        }
    }
}

impl<'a> Certificate<'a> {
    fn value(&self, field: CertificateField) -> &'a [u8] {
        match field {
            CertificateField::Subject => self.subject,
            CertificateField::Names => self.names,
            CertificateField::Sha256 => self.sha256,
            CertificateField::Serial => self.serial,
            CertificateField::NotAfter => self.not_after,
        }
    }

    pub(crate) fn is_sound(&self) -> bool {
        CertificateField::ALL.iter().all(|field| is_field_value(self.value(*field)))
    }

    pub(crate) fn write(&self, fields: &[CertificateField], out: &mut Vec<u8>) {
        for field in fields {
            let value = self.value(*field);
            if !value.is_empty() {
                push_line(out, field.header().as_bytes(), value);
            }
        }
    }
}
