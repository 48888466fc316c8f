//! Where the signature stands, what it says, and how it is computed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::canonical::pairs;
use crate::{Refusal, Request, Secret, encoding, http_date};

const ALGORITHM: &[u8] = b"AWS4-HMAC-SHA256";

/// A week, AWS's own limit.
const LONGEST_SECONDS: u64 = 604_800;

/// What a request says about its signature.
pub struct Credential {
    pub key_id: Vec<u8>,
    pub region: Vec<u8>,
    pub service: Vec<u8>,
    pub stamp: Stamp,
    /// In lower case, sorted.
    pub signed_headers: Vec<Vec<u8>>,
    pub signature: [u8; 32],
    pub presigned: bool,
    /// Only S3 asks for it: without, a presigned request is good for as long as another one.
    pub expires_seconds: Option<u64>,
}

/// `20150830T123600Z`.
#[derive(Clone)]
pub struct Stamp {
    pub text: String,
    pub seconds: u64,
}

impl Stamp {
    fn parse(text: &[u8]) -> Option<Self> {
        let exact: &[u8; 16] = text.try_into().ok()?;
        if exact[8] != b'T' || exact[15] != b'Z' {
            return None;
        }
        let number = |from: usize, to: usize| encoding::digits(&exact[from..to]);
        let days = http_date::days_since_1970(number(0, 4)?, number(4, 6)?, number(6, 8)?)?;
        let (hour, minute, second) = (number(9, 11)?, number(11, 13)?, number(13, 15)?);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self { text: String::from_utf8(text.to_vec()).ok()?, seconds })
    }

    /// The stamp of a second until the year 9999.
    pub fn at(now: u64) -> Option<Self> {
        let (year, month, day) = http_date::date_of(now / 86_400)?;
        let (hour, minute, second) = (now / 3_600 % 24, now / 60 % 60, now % 60);
        let text = format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z");
        Some(Self { text, seconds: now })
    }

    pub fn day(&self) -> &str {
        self.text.get(..8).unwrap_or_default()
    }
}

/// The one place where the signature is.
pub fn find(request: &Request<'_>) -> Result<Credential, Refusal> {
    let in_header = request.single(b"authorization")?.filter(|value| value.starts_with(b"AWS4"));
    let in_query = pairs(request)?.into_iter().filter(|(name, _)| known(name).is_some()).collect::<Vec<_>>();
    match (in_header, in_query.is_empty()) {
        (Some(_), false) => Err(Refusal::Duplicate),
        (Some(value), true) => from_header(request, value),
        (None, false) => from_query(&in_query),
        (None, true) => Err(Refusal::Missing),
    }
}

fn from_header(request: &Request<'_>, value: &[u8]) -> Result<Credential, Refusal> {
    let rest = value.strip_prefix(ALGORITHM).and_then(|rest| rest.strip_prefix(b" ")).ok_or(Refusal::WrongAlgorithm)?;
    let mut found: [Option<&[u8]>; 3] = [None; 3];
    for part in rest.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
        let at = part.iter().position(|byte| *byte == b'=').ok_or(Refusal::Malformed)?;
        let place = [&b"Credential"[..], b"SignedHeaders", b"Signature"].iter().position(|name| *name == &part[..at]);
        if found[place.ok_or(Refusal::Malformed)?].replace(&part[at + 1..]).is_some() {
            return Err(Refusal::Duplicate);
        }
    }
    let [Some(credential), Some(signed_headers), Some(signature)] = found else { return Err(Refusal::Missing) };
    let stamp = Stamp::parse(request.needed(b"x-amz-date")?).ok_or(Refusal::Malformed)?;
    build(credential, signed_headers, signature, stamp)
}

/// The parameters of a presigned request.
const NAMES: [&str; 6] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"];

/// Which parameter this is, in any case.
fn known(name: &[u8]) -> Option<usize> {
    NAMES.iter().position(|one| one.as_bytes().eq_ignore_ascii_case(name))
}

fn from_query(all: &[(Vec<u8>, Vec<u8>)]) -> Result<Credential, Refusal> {
    let mut found: [Option<&[u8]>; 6] = [None; 6];
    for (name, value) in all {
        let Some(place) = known(name) else { continue };
        if found[place].replace(value).is_some() {
            return Err(Refusal::Duplicate);
        }
        if name != NAMES[place].as_bytes() {
            return Err(Refusal::Malformed);
        }
    }
    let [Some(algorithm), Some(credential), Some(date), expires, Some(signed_headers), Some(signature)] = found else {
        return Err(Refusal::Missing);
    };
    if algorithm != ALGORITHM {
        return Err(Refusal::WrongAlgorithm);
    }
    let seconds = |text| encoding::decimal(text).filter(|seconds| (1..=LONGEST_SECONDS).contains(seconds));
    let expires_seconds = expires.map(|text| seconds(text).ok_or(Refusal::Malformed)).transpose()?;
    let stamp = Stamp::parse(date).ok_or(Refusal::Malformed)?;
    Ok(Credential { presigned: true, expires_seconds, ..build(credential, signed_headers, signature, stamp)? })
}

fn build(credential: &[u8], signed_headers: &[u8], signature: &[u8], stamp: Stamp) -> Result<Credential, Refusal> {
    let parts: Vec<&[u8]> = credential.split(|byte| *byte == b'/').collect();
    let [key_id, day, region, service, b"aws4_request"] = parts.as_slice() else { return Err(Refusal::Malformed) };
    let names: Vec<Vec<u8>> = signed_headers.split(|byte| *byte == b';').map(<[u8]>::to_vec).collect();
    let is_name = |name: &Vec<u8>| {
        !name.is_empty()
            && name.iter().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && *byte != b':')
    };
    // Sorted and each once: the one form in which they are signed.
    if !names.iter().all(is_name) || !names.is_sorted_by(|one, next| one < next) {
        return Err(Refusal::Malformed);
    }
    if *day != stamp.day().as_bytes() || key_id.is_empty() || signature.iter().any(u8::is_ascii_uppercase) {
        return Err(Refusal::Malformed);
    }
    Ok(Credential {
        key_id: key_id.to_vec(),
        region: region.to_vec(),
        service: service.to_vec(),
        stamp,
        signed_headers: names,
        signature: encoding::hex(signature).ok_or(Refusal::Malformed)?,
        presigned: false,
        expires_seconds: None,
    })
}

pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The signature of a canonical request's hash. The derived key is good for a day and could be kept: it takes 4 of the
/// 5 HMACs here, about a microsecond.
pub fn signature(secret: &Secret, stamp: &Stamp, [region, service]: [&[u8]; 2], hashed: &[u8; 32]) -> [u8; 32] {
    let mut first = Zeroizing::new(b"AWS4".to_vec());
    first.extend_from_slice(secret.bytes());
    let day = Zeroizing::new(mac(&first, &[stamp.day().as_bytes()]));
    let regional = Zeroizing::new(mac(&*day, &[region]));
    let of_service = Zeroizing::new(mac(&*regional, &[service]));
    let key = Zeroizing::new(mac(&*of_service, &[b"aws4_request"]));
    let hex = encoding::to_hex(hashed);
    let scope = [stamp.day().as_bytes(), b"/", region, b"/", service, b"/aws4_request\n"].concat();
    mac(&*key, &[ALGORITHM, b"\n", stamp.text.as_bytes(), b"\n", &scope, hex.as_bytes()])
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of any length.
    let Ok(mut state) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        state.update(part);
    }
    state.finalize().into_bytes().into()
}
