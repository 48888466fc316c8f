//! What a webhook's headers or query say, scheme by scheme: the signatures, and what stands before the body in the
//! message. Empty and short signatures, tails, and doubled fields end here.

use super::{Scheme, forms};
use crate::{Algorithm, Refusal, Request, encoding};

/// More signatures than any rotation has. One of a public key takes a hash of the whole body.
const MOST_SIGNATURES: usize = 8;

pub struct Fields {
    pub signatures: Vec<(Algorithm, Vec<u8>)>,
    /// Each is tried: Twilio does not say whether it signs the port.
    pub messages: Vec<Vec<u8>>,
    /// Whether the body follows the message.
    pub with_body: bool,
    pub signed_at: Option<u64>,
    pub id: Option<Vec<u8>>,
}

impl Fields {
    fn new(signatures: Vec<Vec<u8>>, message: Vec<u8>, signed_at: Option<u64>) -> Self {
        let signatures = signatures.into_iter().map(|signature| (Algorithm::HmacSha256, signature)).collect();
        Self { signatures, messages: vec![message], with_body: true, signed_at, id: None }
    }
}

pub fn read(scheme: Scheme, request: &Request<'_>, body: &[u8]) -> Result<Fields, Refusal> {
    match scheme {
        Scheme::StandardWebhooks => standard(request, [b"webhook-id", b"webhook-timestamp", b"webhook-signature"]),
        Scheme::Svix => standard(request, [b"svix-id", b"svix-timestamp", b"svix-signature"]),
        Scheme::Stripe => stripe(request.needed(b"stripe-signature")?),
        Scheme::GitHub => {
            let signature = hex_after(b"sha256=", request.needed(b"x-hub-signature-256")?)?;
            Ok(Fields::new(vec![signature], Vec::new(), None))
        }
        Scheme::Slack => {
            let signature = hex_after(b"v0=", request.needed(b"x-slack-signature")?)?;
            let (text, seconds) = time(request.needed(b"x-slack-request-timestamp")?)?;
            Ok(Fields::new(vec![signature], [b"v0:", text, b":"].concat(), Some(seconds)))
        }
        Scheme::Shopify => {
            let signature = base64_of(request.needed(b"x-shopify-hmac-sha256")?, 32)?;
            Ok(Fields::new(vec![signature], Vec::new(), None))
        }
        Scheme::Twilio => {
            let signature = base64_of(request.needed(b"x-twilio-signature")?, 20)?;
            let messages = forms::twilio(request, body)?;
            let signatures = vec![(Algorithm::HmacSha1, signature)];
            Ok(Fields { signatures, messages, with_body: false, signed_at: None, id: None })
        }
        Scheme::ShopifyOauth | Scheme::ShopifyProxy => {
            let query = forms::shopify(request, scheme == Scheme::ShopifyProxy)?;
            let signature = hex_after(b"", &query.signature)?;
            let (_, seconds) = time(&query.timestamp)?;
            Ok(Fields { with_body: false, ..Fields::new(vec![signature], query.message, Some(seconds)) })
        }
    }
}

/// An id without the full stop that ends it in the message: otherwise `a.1` at 2 and `a` at 1 would sign alike.
pub fn is_id(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= 256 && id.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'.')
}

fn standard(request: &Request<'_>, [id, timestamp, signature]: [&[u8]; 3]) -> Result<Fields, Refusal> {
    let id = Some(request.needed(id)?).filter(|id| is_id(id)).ok_or(Refusal::Malformed)?;
    let (text, seconds) = time(request.needed(timestamp)?)?;
    let mut signatures = Vec::new();
    for one in request.needed(signature)?.split(|byte| *byte == b' ') {
        let at = one.iter().position(|byte| *byte == b',').ok_or(Refusal::Malformed)?;
        match &one[..at] {
            b"v1" => signatures.push((Algorithm::HmacSha256, base64_of(&one[at + 1..], 32)?)),
            b"v1a" => signatures.push((Algorithm::Ed25519, base64_of(&one[at + 1..], 64)?)),
            // A version of later.
            _ => {}
        }
    }
    bounded(signatures.len())?;
    let message = [id, b".", text, b"."].concat();
    Ok(Fields { signatures, messages: vec![message], with_body: true, signed_at: Some(seconds), id: Some(id.to_vec()) })
}

fn stripe(value: &[u8]) -> Result<Fields, Refusal> {
    let (mut timestamp, mut signatures) = (None, Vec::new());
    for part in value.split(|byte| *byte == b',') {
        let at = part.iter().position(|byte| *byte == b'=').ok_or(Refusal::Malformed)?;
        match (&part[..at], &part[at + 1..]) {
            (b"t", _) if timestamp.is_some() => return Err(Refusal::Duplicate),
            (b"t", text) => timestamp = Some(time(text)?),
            (b"v1", text) => signatures.push(hex_after(b"", text)?),
            // v0 is for tests only, and what comes later is not known yet.
            _ => {}
        }
    }
    bounded(signatures.len())?;
    let (text, seconds) = timestamp.ok_or(Refusal::Missing)?;
    Ok(Fields::new(signatures, [text, b"."].concat(), Some(seconds)))
}

fn bounded(signatures: usize) -> Result<(), Refusal> {
    match signatures {
        0 => Err(Refusal::Missing),
        1..=MOST_SIGNATURES => Ok(()),
        _ => Err(Refusal::Malformed),
    }
}

/// The time as it was written, which is what is signed, and its seconds.
fn time(text: &[u8]) -> Result<(&[u8], u64), Refusal> {
    encoding::decimal(text).map(|seconds| (text, seconds)).ok_or(Refusal::Malformed)
}

fn hex_after(prefix: &[u8], text: &[u8]) -> Result<Vec<u8>, Refusal> {
    let bytes = text.strip_prefix(prefix).and_then(encoding::hex::<32>);
    bytes.map(|bytes| bytes.to_vec()).ok_or(Refusal::Malformed)
}

fn base64_of(text: &[u8], bytes: usize) -> Result<Vec<u8>, Refusal> {
    encoding::base64(text).filter(|decoded| decoded.len() == bytes).ok_or(Refusal::Malformed)
}
