//! Pins what is read of a certificate: subjects in one spelling whatever their encoding, names that could be taken for
//! others left out, and nothing at all, without a panic, of what is no certificate.

use super::*;
use rcgen::string::{BmpString, Ia5String, PrintableString, TeletexString};
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType, SerialNumber, date_time_ymd};

fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

fn subject(parts: &[(DnType, DnValue)]) -> String {
    let der = made(|params| {
        for (kind, value) in parts {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
    });
    ClientCertificate::read(&der).unwrap().subject
}

fn utf8(text: &str) -> DnValue {
    DnValue::Utf8String(text.to_owned())
}

#[test]
fn what_is_no_certificate() {
    let whole = made(|params| params.distinguished_name.push(DnType::CommonName, "a"));
    assert!(ClientCertificate::read(&whole).is_some());
    assert!(ClientCertificate::read(&[&whole[..], b"\0"].concat()).is_none(), "bytes behind it");
    for length in 0..whole.len() {
        assert!(ClientCertificate::read(&whole[..length]).is_none(), "cut at {length}");
    }
    for at in 0..whole.len() {
        for change in [1, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            // Some of these are certificates, of somebody else.
            drop(ClientCertificate::read(&bytes));
        }
    }
}

#[test]
fn subjects_have_one_spelling() {
    let printable = DnValue::PrintableString(PrintableString::try_from("alice").unwrap());
    let teletex = DnValue::TeletexString(TeletexString::try_from("alice").unwrap());
    let bmp = DnValue::BmpString(BmpString::try_from("alice").unwrap());
    let ia5 = DnValue::Ia5String(Ia5String::try_from("alice").unwrap());
    for value in [utf8("alice"), printable, teletex, bmp, ia5] {
        assert_eq!(subject(&[(DnType::CommonName, value.clone())]), "CN=alice", "{value:?}");
    }
    assert_eq!(subject(&[]), "");
    let parts = [
        (DnType::CountryName, utf8("NL")),
        (DnType::OrganizationName, utf8("Example")),
        (DnType::OrganizationalUnitName, utf8("One")),
        (DnType::CommonName, utf8("alice")),
    ];
    assert_eq!(subject(&parts), "CN=alice,OU=One,O=Example,C=NL", "from the last to the first");
    let email = DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
    assert_eq!(subject(&[(email, utf8("a@b.example"))]), "emailAddress=a@b.example");
}

#[test]
fn values_keep_case_and_blanks_and_hide_what_has_a_meaning() {
    for (value, written) in [
        ("Alice", "Alice"),
        ("a  b", "a  b"),
        (" a ", "\\20a\\20"),
        (" ", "\\20"),
        ("", ""),
        ("#a#", "\\23a#"),
        ("a,O=b", "a\\,O=b"),
        ("a+b\"c;<d>=e\\", "a\\+b\\\"c\\;\\<d\\>=e\\\\"),
        ("Zo\u{eb}", "Zo\\C3\\AB"),
        ("a\r\nb\0", "a\\0D\\0Ab\\00"),
        ("/CN=b", "/CN=b"),
    ] {
        assert_eq!(subject(&[(DnType::CommonName, utf8(value))]), format!("CN={written}"), "{value:?}");
    }
    let zoe = DnValue::BmpString(BmpString::try_from("Zo\u{eb}").unwrap());
    assert_eq!(subject(&[(DnType::CommonName, zoe)]), "CN=Zo\\C3\\AB");
}

#[test]
fn types_without_a_short_name_are_numbers_and_their_values_bytes() {
    let number = || DnType::CustomDnType(vec![1, 2, 3, 4]);
    assert_eq!(subject(&[(number(), utf8("ab"))]), "1.2.3.4=#0c026162");
    let printable = DnValue::PrintableString(PrintableString::try_from("ab").unwrap());
    assert_eq!(subject(&[(number(), printable)]), "1.2.3.4=#13026162");
}

#[test]
fn names_numbers_and_times() {
    let der = made(|params| {
        params.subject_alt_names = vec![
            SanType::DnsName(Ia5String::try_from("A.Example").unwrap()),
            SanType::URI(Ia5String::try_from("spiffe://Example/A").unwrap()),
            SanType::Rfc822Name(Ia5String::try_from("Al.Ice@Mail.Example").unwrap()),
            SanType::IpAddress([127, 0, 0, 1].into()),
            SanType::Rfc822Name(Ia5String::try_from("nobody").unwrap()),
            SanType::DnsName(Ia5String::try_from("a.example\0.org").unwrap()),
            SanType::DnsName(Ia5String::try_from("b.example c.example").unwrap()),
            SanType::DnsName(Ia5String::try_from("").unwrap()),
            SanType::URI(Ia5String::try_from("urn:a\",\"b\\c").unwrap()),
        ];
        params.serial_number = Some(SerialNumber::from_slice(&[0, 0x0a, 0x1b]));
        params.not_after = date_time_ymd(2031, 2, 3);
    });
    let certificate = ClientCertificate::read(&der).unwrap();
    assert_eq!(
        certificate.names,
        [
            AlternativeName::Dns("a.example".to_owned()),
            AlternativeName::Uri("spiffe://Example/A".to_owned()),
            AlternativeName::Email("Al.Ice@mail.example".to_owned()),
            AlternativeName::Uri("urn:a\",\"b\\c".to_owned()),
        ]
    );
    assert_eq!(
        certificate.names_text,
        r#""DNS:a.example", "URI:spiffe://Example/A", "email:Al.Ice@mail.example", "URI:urn:a\",\"b\\c""#
    );
    assert_eq!(certificate.serial, "a1b");
    assert_eq!(certificate.not_after, date_time_ymd(2031, 2, 3).unix_timestamp());
    assert_eq!(certificate.not_after_text, "2031-02-03T00:00:00Z");
    assert_eq!(certificate.sha256, hexadecimal(&Sha256::digest(&der)));
    assert_eq!(certificate.subject, "");
}
