//! The certificates that a configuration knows, by what it says of them, and whose a given one is.

use std::collections::HashMap;

use crate::{AlternativeName, ClientCertificate};

/// Whose a certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The place of its owner in the list that the ring was made of.
    Known(u32),
    /// Several owners': two readers of one certificate must not find two different clients in it.
    Ambiguous,
    /// Nobody's.
    Unknown,
}

/// By subject, alternative name and fingerprint.
#[derive(Clone, Debug, Default)]
pub struct CertificateRing {
    /// Keys: `subject:`, `dns:`, `uri:`, `email:` or `sha256:`, and a text as in [`ClientCertificate`].
    owners: HashMap<Box<str>, u32>,
    /// Which kinds occur at all: the others need no text to be put together.
    kinds: Kinds,
}

#[derive(Clone, Copy, Debug, Default)]
// Reason for the lint: each is a fact of its own.
#[allow(clippy::struct_excessive_bools)]
struct Kinds {
    subject: bool,
    name: bool,
    sha256: bool,
}

impl CertificateRing {
    /// `owners`: what each is known by, as the keys above. Of two equal ones the first counts. None: a kind that there is
    /// not.
    pub fn new<'a>(owners: impl IntoIterator<Item = &'a [String]>) -> Option<Self> {
        let mut ring = Self::default();
        for (place, keys) in owners.into_iter().enumerate() {
            for key in keys {
                match key.split_once(':')?.0 {
                    "subject" => ring.kinds.subject = true,
                    "dns" | "uri" | "email" => ring.kinds.name = true,
                    "sha256" => ring.kinds.sha256 = true,
                    _ => return None,
                }
                ring.owners.entry(key.as_str().into()).or_insert(place as u32);
            }
        }
        Some(ring)
    }

    /// Whoever is known by anything that the certificate says; all of it must speak of the same one.
    pub fn find(&self, certificate: &ClientCertificate) -> Lookup {
        let mut found = Lookup::Unknown;
        let mut key = String::new();
        let mut look = |kind: &str, text: &str| {
            key.clear();
            key.push_str(kind);
            key.push_str(text);
            found = match (found, self.owners.get(key.as_str())) {
                (found, None) => found,
                (Lookup::Unknown, Some(owner)) => Lookup::Known(*owner),
                (Lookup::Known(known), Some(owner)) if known == *owner => found,
                _ => Lookup::Ambiguous,
            };
        };
        // An empty subject is nobody's name (RFC 5280 4.1.2.6).
        if self.kinds.subject && !certificate.subject.is_empty() {
            look("subject:", &certificate.subject);
        }
        if self.kinds.name {
            for name in &certificate.names {
                match name {
                    AlternativeName::Dns(text) => look("dns:", text),
                    AlternativeName::Uri(text) => look("uri:", text),
                    AlternativeName::Email(text) => look("email:", text),
                }
            }
        }
        if self.kinds.sha256 {
            look("sha256:", &certificate.sha256);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(subject: &str, names: &[AlternativeName]) -> ClientCertificate {
        ClientCertificate {
            subject: subject.to_owned(),
            names: names.to_vec(),
            sha256: "ab".repeat(32),
            serial: "1".to_owned(),
            not_after: 0,
            names_text: String::new(),
            not_after_text: String::new(),
        }
    }

    fn ring(owners: &[&[&str]]) -> Option<CertificateRing> {
        let owners: Vec<Vec<String>> =
            owners.iter().map(|keys| keys.iter().map(ToString::to_string).collect()).collect();
        CertificateRing::new(owners.iter().map(Vec::as_slice))
    }

    #[test]
    fn a_kind_that_there_is_not() {
        for key in ["ip:127.0.0.1", "CN=a", "", ":"] {
            assert!(ring(&[&["dns:a"], &[key]]).is_none(), "{key}");
        }
    }

    #[test]
    fn what_is_nobodys() {
        let ring = ring(&[&["subject:CN=a", "dns:a.example", "uri:urn:a", "subject:"], &["sha256:cd"]]).unwrap();
        for (subject, names) in [
            ("", vec![]),
            ("CN=A", vec![]),
            ("CN=a,O=b", vec![]),
            ("", vec![AlternativeName::Uri("a.example".to_owned()), AlternativeName::Email("urn:a".to_owned())]),
            ("dns:a.example", vec![AlternativeName::Dns("b.a.example".to_owned())]),
        ] {
            assert_eq!(ring.find(&certificate(subject, &names)), Lookup::Unknown, "{subject} {names:?}");
        }
    }

    #[test]
    fn one_owner_by_any_of_it_and_none_by_two() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let ring = ring(&[&["dns:a", "uri:urn:a"], &["subject:CN=b", "email:b@b"], &[&digest]]).unwrap();
        let [a, other, urn] = [
            AlternativeName::Dns("a".to_owned()),
            AlternativeName::Dns("other".to_owned()),
            AlternativeName::Uri("urn:a".to_owned()),
        ];
        let find = |subject: &str, names: &[AlternativeName], sha256: &str| {
            ring.find(&ClientCertificate { sha256: sha256.to_owned(), ..certificate(subject, names) })
        };
        assert_eq!(find("CN=x", &[other.clone(), urn.clone(), a.clone()], ""), Lookup::Known(0));
        assert_eq!(find("CN=b", &[AlternativeName::Email("b@b".to_owned())], ""), Lookup::Known(1));
        assert_eq!(find("", &[], &digest[7..]), Lookup::Known(2));
        assert_eq!(find("CN=b", std::slice::from_ref(&a), ""), Lookup::Ambiguous);
        assert_eq!(find("CN=b", &[a, urn], ""), Lookup::Ambiguous, "once ambiguous, always");
        assert_eq!(find("CN=b", &[other], &digest[7..]), Lookup::Ambiguous);
    }
}
