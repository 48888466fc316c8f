//! Client certificates: who a verified one says that the client is, in texts that can be compared, and whose of those that
//! a configuration knows it is. Called by the addon and by `native/downstream`. Verifies nothing: that is TLS's part.
//!
//! A subject is a text as of RFC 4514, always written in the same way (see `subject`), so that two are the same name if
//! and only if they are the same text. `ts/config/certificate-names.ts` writes what a configuration says in that form too.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod revocation;
mod ring;
mod subject;

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;
use x509_parser::time::ASN1Time;

pub use revocation::in_force_until;
pub use ring::{CertificateRing, Lookup};

/// A name of the extension "subject alternative name", of the kinds that name clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// In lower case.
    Dns(String),
    /// As it stands there.
    Uri(String),
    /// Its domain in lower case.
    Email(String),
}

/// What a certificate says of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// As of RFC 4514, printable ASCII; empty where the certificate has none.
    pub subject: String,
    /// In their order. Names that are not printable ASCII are left out: they could be taken for others.
    pub names: Vec<AlternativeName>,
    /// SHA-256 of the whole certificate, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// In lower-case hexadecimal, without leading zeros.
    pub serial: String,
    /// Unix time in seconds of the last second that it is valid in.
    pub not_after: i64,
    /// `names` as a list of strings (RFC 9651): `"DNS:a.example", "URI:spiffe://example/a"`.
    pub names_text: String,
    /// `not_after` as in RFC 3339: `2030-12-31T23:59:59Z`.
    pub not_after_text: String,
}

impl ClientCertificate {
    /// Of a certificate in DER. None: it cannot be read, or says something twice.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = parse_x509_certificate(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let names: Vec<_> = match certificate.subject_alternative_name().ok()? {
            Some(extension) => extension.value.general_names.iter().filter_map(alternative_name).collect(),
            None => Vec::new(),
        };
        let serial = hexadecimal(certificate.raw_serial());
        let digits = serial.trim_start_matches('0');
        let not_after = certificate.validity().not_after;
        Some(Self {
            subject: subject::write(certificate.subject())?,
            names_text: names_text(&names),
            names,
            sha256: hexadecimal(&Sha256::digest(der)),
            serial: if digits.is_empty() { "0" } else { digits }.to_owned(),
            not_after: not_after.timestamp(),
            not_after_text: moment(not_after),
        })
    }
}

fn names_text(names: &[AlternativeName]) -> String {
    let mut out = String::new();
    for name in names {
        let (kind, text) = match name {
            AlternativeName::Dns(text) => ("DNS", text),
            AlternativeName::Uri(text) => ("URI", text),
            AlternativeName::Email(text) => ("email", text),
        };
        out.push_str(if out.is_empty() { "\"" } else { ", \"" });
        out.push_str(kind);
        out.push(':');
        for character in text.chars() {
            if matches!(character, '"' | '\\') {
                out.push('\\');
            }
            out.push(character);
        }
        out.push('"');
    }
    out
}

fn moment(time: ASN1Time) -> String {
    let time = time.to_datetime();
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
}

fn alternative_name(name: &GeneralName<'_>) -> Option<AlternativeName> {
    let sound = |text: &str| (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(());
    match name {
        GeneralName::DNSName(text) => sound(text).map(|()| AlternativeName::Dns(text.to_ascii_lowercase())),
        GeneralName::URI(text) => sound(text).map(|()| AlternativeName::Uri((*text).to_owned())),
        GeneralName::RFC822Name(text) => {
            sound(text)?;
            // RFC 5280 7.5: the part before the @ with case, the host without.
            let (local, domain) = text.rsplit_once('@')?;
            Some(AlternativeName::Email(format!("{local}@{}", domain.to_ascii_lowercase())))
        }
        _ => None,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
#[path = "lib_tests.rs"]
mod tests;
