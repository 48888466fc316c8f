//! Pins which certificate a name gets, and that unusable files are refused with their name.

use super::*;
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("polygate-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn identity(&self, name: &str, hosts: &[&str]) -> Identity {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Identity {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            certificate: self.write(&format!("{name}.pem"), &made.cert.pem()),
            key: self.write(&format!("{name}.key"), &made.signing_key.serialize_pem()),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn options(identities: Vec<Identity>) -> TlsOptions {
    TlsOptions { identities, client_ca: None, only_tls13: false }
}

fn reason(options: &TlsOptions) -> String {
    server_config(options).unwrap_err()
}

#[test]
fn files_that_cannot_be_used() {
    let folder = Folder::new();
    let (one, two) = (folder.identity("one", &[]), folder.identity("two", &[]));
    let none = folder.write("none.pem", "hello\n");
    let with = |certificate: &Path, key: &Path| {
        options(vec![Identity { hosts: Vec::new(), certificate: certificate.into(), key: key.into() }])
    };
    assert!(reason(&options(Vec::new())).contains("needs a certificate"));
    assert!(reason(&with(&folder.0.join("absent.pem"), &one.key)).contains("absent.pem: "));
    assert!(reason(&with(&none, &one.key)).ends_with("none.pem: no certificate in it"));
    assert!(reason(&with(&one.certificate, &none)).contains("none.pem: "));
    assert!(reason(&with(&one.certificate, &two.key)).contains("two.key: is not the key of "));
    let broken = folder.write("broken.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert!(reason(&with(&one.certificate, &broken)).contains("broken.key: "));
    let authority = TlsOptions { client_ca: Some(none), ..with(&one.certificate, &one.key) };
    assert!(reason(&authority).ends_with("none.pem: no certificate in it"));
}

#[test]
fn the_certificate_of_a_name() {
    let folder = Folder::new();
    let identities = [
        ("first", &[][..]),
        ("exact", &["a.example.com"]),
        ("short", &["*.example.com"]),
        ("long", &["*.b.example.com"]),
    ];
    let identities: Vec<_> = identities.map(|(name, hosts)| folder.identity(name, hosts)).into();
    let by_name = ByName::of(&identities, &ring::default_provider()).unwrap();
    let chosen = |name: Option<&str>| {
        let found = &by_name.find(name).cert[0];
        let at = identities.iter().position(|one| certificates(&one.certificate).unwrap()[0] == *found);
        ["first", "exact", "short", "long"][at.unwrap()]
    };
    assert_eq!(chosen(None), "first");
    assert_eq!(chosen(Some("other.org")), "first");
    assert_eq!(chosen(Some("example.com")), "first", "a wildcard does not stand for nothing");
    assert_eq!(chosen(Some(".example.com")), "first");
    assert_eq!(chosen(Some("A.Example.com")), "exact");
    assert_eq!(chosen(Some("x.example.com")), "short");
    assert_eq!(chosen(Some("x.b.example.com")), "long");
    assert_eq!(chosen(Some("b.example.com")), "short");
}
