//! Lists of revoked certificates, as far as an operator is told of them before TLS uses them.

use x509_parser::parse_x509_crl;
use x509_parser::pem::Pem;

const LABEL: &str = "X509 CRL";

/// Until when all lists in a PEM text are in force: Unix time in seconds. None: for ever. An error says what is wrong.
pub fn in_force_until(pem: &[u8]) -> Result<Option<i64>, String> {
    let mut count = 0;
    let mut earliest: Option<i64> = None;
    for section in Pem::iter_from_buffer(pem) {
        let section = section.map_err(|_| "holds PEM that does not parse".to_owned())?;
        if section.label != LABEL {
            continue;
        }
        count += 1;
        let (_, list) = parse_x509_crl(&section.contents)
            .ok()
            .filter(|(rest, _)| rest.is_empty())
            .ok_or_else(|| format!("holds a revocation list that does not parse: the {count}."))?;
        if let Some(end) = list.next_update() {
            let end = end.timestamp();
            earliest = Some(earliest.map_or(end, |other| other.min(end)));
        }
    }
    if count == 0 {
        return Err(format!("holds no revocation list, expected PEM (-----BEGIN {LABEL}-----)"));
    }
    Ok(earliest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair,
        KeyUsagePurpose, SerialNumber, date_time_ymd,
    };

    fn list(year: i32) -> String {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::CrlSign];
        let issuer = Issuer::new(authority, KeyPair::generate().unwrap());
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&issuer).unwrap().pem().unwrap()
    }

    #[test]
    fn what_holds_no_list() {
        let certificate = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap().cert.pem();
        for (text, reason) in [
            ("", "holds no revocation list, expected PEM (-----BEGIN X509 CRL-----)"),
            ("hello", "holds no revocation list, expected PEM (-----BEGIN X509 CRL-----)"),
            (certificate.as_str(), "holds no revocation list, expected PEM (-----BEGIN X509 CRL-----)"),
            ("-----BEGIN X509 CRL-----\nAAAA\n", "holds PEM that does not parse"),
            (
                "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
                "holds a revocation list that does not parse: the 1.",
            ),
        ] {
            assert_eq!(in_force_until(text.as_bytes()), Err(reason.to_owned()), "{text}");
        }
        let whole = list(2030);
        let cut = format!("{whole}{}", whole.replace("MI", "MM"));
        assert!(in_force_until(cut.as_bytes()).is_err());
    }

    #[test]
    fn several_lists_are_in_force_while_all_are() {
        let until = |year| Ok(Some(date_time_ymd(year, 1, 1).unix_timestamp()));
        assert_eq!(in_force_until(list(2030).as_bytes()), until(2030));
        let several = [2031, 2021, 2041].map(list).concat();
        assert_eq!(in_force_until(several.as_bytes()), until(2021));
    }
}
