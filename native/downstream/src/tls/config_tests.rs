//! Pins which certificate a name gets, and that unusable files are refused with their name.

use super::*;

fn pem(name: &str, text: &str) -> PemFile {
    PemFile { name: name.to_owned(), text: text.to_owned() }
}

fn identity(name: &str, hosts: &[&str]) -> Identity {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    Identity {
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        certificate: pem(&format!("{name}.pem"), &made.cert.pem()),
        key: pem(&format!("{name}.key"), &made.signing_key.serialize_pem()),
    }
}

fn options(identities: Vec<Identity>) -> TlsOptions {
    TlsOptions { identities, clients: None, only_tls13: false }
}

fn reason(options: &TlsOptions) -> String {
    server_config(options).unwrap_err()
}

#[test]
fn files_that_cannot_be_used() {
    let (one, two) = (identity("one", &[]), identity("two", &[]));
    let none = pem("none.pem", "hello\n");
    let with = |certificate: &PemFile, key: &PemFile| {
        options(vec![Identity { hosts: Vec::new(), certificate: certificate.clone(), key: key.clone() }])
    };
    assert_eq!(reason(&options(Vec::new())), "a TLS listener needs a certificate");
    assert_eq!(reason(&with(&none, &one.key)), "none.pem: no certificate in it");
    assert!(reason(&with(&one.certificate, &none)).starts_with("none.pem: "));
    assert_eq!(reason(&with(&one.certificate, &two.key)), "two.key: is not the key of one.pem");
    let broken = pem("broken.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert!(reason(&with(&one.certificate, &broken)).starts_with("broken.key: "));
    let cut = pem("cut.pem", &one.certificate.text[..100]);
    assert!(reason(&with(&cut, &one.key)).starts_with("cut.pem: "));
    let clients = |authorities: &PemFile, revoked: Option<&PemFile>| {
        let clients = ClientOptions { authorities: authorities.clone(), optional: false, revoked: revoked.cloned() };
        TlsOptions { clients: Some(clients), ..with(&one.certificate, &one.key) }
    };
    assert_eq!(reason(&clients(&none, None)), "none.pem: no certificate in it");
    assert_eq!(reason(&clients(&one.certificate, Some(&none))), "none.pem: no revocation list in it");
    assert_eq!(reason(&clients(&one.certificate, Some(&one.certificate))), "one.pem: no revocation list in it");
    let broken = pem("broken.crl", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    assert!(reason(&clients(&one.certificate, Some(&broken))).starts_with("broken.crl: "));
    server_config(&clients(&one.certificate, None)).unwrap();
}

#[test]
fn the_certificate_of_a_name() {
    let identities = [
        identity("first", &[]),
        identity("exact", &["a.example.com"]),
        identity("short", &["*.example.com"]),
        identity("long", &["*.b.example.com"]),
    ];
    let by_name = ByName::of(&identities, &ring::default_provider()).unwrap();
    let chosen = |name: Option<&str>| {
        let found = &by_name.find(name).cert[0];
        let at = identities.iter().position(|one| one.certificate.certificates().unwrap()[0] == *found);
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
