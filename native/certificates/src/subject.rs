//! A subject as text: RFC 4514, and where that leaves a choice, always the same one.
//!
//! - relative names from the last to the first, those of one set in the order of their texts, joined by `,` and `+`
//! - types that have a short name by it, in this spelling; others as dotted numbers, their value as `#` and the
//!   hexadecimal digits of its DER
//! - values with case and blanks as they stand; what has a meaning in the text behind a backslash, every byte that is no
//!   printable ASCII, and a blank or `#` at a value's end or beginning, as backslash and two hexadecimal digits

use std::fmt::Write as _;

use x509_parser::asn1_rs::{Any, Tag, ToDer};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::hexadecimal;

/// RFC 4514 section 3, and what OpenSSL calls the others that occur. `attributeTypes` in
/// `ts/config/certificate-names.ts`.
const TYPES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "street"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.4", "SN"),
    ("2.5.4.42", "GN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.41", "name"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.97", "organizationIdentifier"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// None: a value's length is not what it says.
pub fn write(name: &X509Name<'_>) -> Option<String> {
    let mut relative = Vec::new();
    for set in name.iter_rdn() {
        let mut attributes = set.iter().map(attribute).collect::<Option<Vec<_>>>()?;
        attributes.sort_unstable();
        relative.push(attributes.join("+"));
    }
    relative.reverse();
    Some(relative.join(","))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let number = attribute.attr_type().to_id_string();
    let value = attribute.attr_value();
    let known = TYPES.iter().find(|(known, _)| *known == number);
    let mut out = known.map_or(number.as_str(), |(_, short)| short).to_owned();
    out.push('=');
    if let Some(text) = known.and_then(|_| text(value)) {
        escape(&text, &mut out);
    } else {
        out.push('#');
        out.push_str(&hexadecimal(&value.to_der_vec_raw().ok()?));
    }
    Some(out)
}

/// Of the string types whose characters are certain.
fn text(value: &Any<'_>) -> Option<String> {
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String => Some(std::str::from_utf8(bytes).ok()?.to_owned()),
        Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString | Tag::T61String => {
            // Of the last one nobody knows which characters its upper half are.
            bytes.is_ascii().then(|| String::from_utf8_lossy(bytes).into_owned())
        }
        Tag::BmpString => {
            let (pairs, rest) = bytes.as_chunks::<2>();
            let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect::<Vec<_>>();
            if rest.is_empty() { String::from_utf16(&units).ok() } else { None }
        }
        _ => None,
    }
}

fn escape(text: &str, out: &mut String) {
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        let hidden = match byte {
            b' ' => at == 0 || at == last,
            b'#' => at == 0,
            _ => !byte.is_ascii_graphic(),
        };
        if hidden {
            // Writing to a string does not fail.
            let _ = write!(out, "\\{byte:02X}");
            continue;
        }
        if matches!(byte, b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\') {
            out.push('\\');
        }
        out.push(char::from(byte));
    }
}
