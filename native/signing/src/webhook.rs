//! Signatures of webhooks: the vendors' own schemes, each of which signs the body with one secret.
//!
//! No scheme here names its key, so every secret that is valid at the time is tried: several during a rotation. Where the
//! vendor signs no time, there is no protection from replay but remembering what was seen.
//!
//! Two schemes join names and values without a separator (Twilio's forms, Shopify's proxy): `a=1b` and `a=1`, `b=` sign
//! alike. That is the vendors' format; what relies on single parameters should know it.

mod fields;
mod forms;

use sha2::{Digest as _, Sha256};

use crate::{Algorithm, Refusal, Request, Secret, Validity, VerifyingKey, encoding};
use fields::Fields;

/// Whose webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`: HMAC-SHA256 (`whsec_`) or Ed25519 (`whpk_`) of
    /// `id.time.body`.
    StandardWebhooks,
    /// The same under Svix' names.
    Svix,
    /// `Stripe-Signature`: HMAC-SHA256 of `time.body`.
    Stripe,
    /// `X-Hub-Signature-256`: HMAC-SHA256 of the body. No time.
    GitHub,
    /// `X-Slack-Signature`: HMAC-SHA256 of `v0:time:body`.
    Slack,
    /// `X-Twilio-Signature`: HMAC-SHA1 of the URL and the form's fields. No time.
    Twilio,
    /// `X-Shopify-Hmac-Sha256`: HMAC-SHA256 of the body. No time.
    Shopify,
    /// Shopify's `OAuth` redirects: HMAC-SHA256 of the sorted query, in `hmac`.
    ShopifyOauth,
    /// Shopify's app proxy: HMAC-SHA256 of the sorted query without separators, in `signature`.
    ShopifyProxy,
}

impl Scheme {
    /// What the vendor's own library allows, in seconds.
    pub const fn skew_seconds(self) -> u64 {
        match self {
            Self::ShopifyOauth | Self::ShopifyProxy => 90,
            _ => 300,
        }
    }

    /// Whether the body is a part of what is signed.
    pub const fn signs_body(self) -> bool {
        !matches!(self, Self::ShopifyOauth | Self::ShopifyProxy)
    }

    const fn algorithm(self) -> Algorithm {
        match self {
            Self::Twilio => Algorithm::HmacSha1,
            _ => Algorithm::HmacSha256,
        }
    }
}

/// A verified webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The place of the secret in its list.
    pub key: usize,
    /// The signed time in Unix seconds, if the scheme signs one.
    pub signed_at: Option<u64>,
    /// The signed id of the message, if the scheme signs one; otherwise the signature.
    pub id: Vec<u8>,
}

/// Verifies webhooks.
#[derive(Debug)]
pub struct Verifier {
    scheme: Scheme,
    skew_seconds: u64,
    keys: Vec<(VerifyingKey, Validity)>,
}

impl Verifier {
    /// The scheme with its secrets, as the vendor shows them. `None` if one has not the vendor's form. Without any, nobody
    /// passes.
    pub fn new(scheme: Scheme, skew_seconds: u64, secrets: &[(Secret, Validity)]) -> Option<Self> {
        let key = |(secret, validity): &(Secret, Validity)| Some((verifying_key(scheme, secret)?, *validity));
        Some(Self { scheme, skew_seconds, keys: secrets.iter().map(key).collect::<Option<_>>()? })
    }

    /// Verifies a whole request. `now` in Unix seconds.
    pub fn verify(&self, request: &Request<'_>, body: &[u8], now: u64) -> Result<Accepted, Refusal> {
        let fields = fields::read(self.scheme, request, body)?;
        self.is_fresh(&fields, now)?;
        let mut outcome = Err(Refusal::NoActiveSecret);
        for (place, (key, validity)) in self.keys.iter().enumerate() {
            if validity.contains(now) {
                outcome = outcome.or(fitting(key, &fields, body).map(|signature| (place, signature)));
            }
        }
        let (key, signature) = outcome?;
        let id = fields.id.as_deref().unwrap_or(signature).to_vec();
        Ok(Accepted { key, signed_at: fields.signed_at, id })
    }

    /// Refuses what can be refused before the body is there: what is not in the vendor's form, or not of now.
    pub fn check_head(&self, request: &Request<'_>, now: u64) -> Result<(), Refusal> {
        let fields = fields::read(self.scheme, request, b"")?;
        self.is_fresh(&fields, now)?;
        if self.keys.iter().any(|(_, validity)| validity.contains(now)) { Ok(()) } else { Err(Refusal::NoActiveSecret) }
    }

    /// What a replay of an accepted request is known by: the SHA-256 of what is signed. Not the signature, for a request
    /// may carry several, one for each secret in use, and a replay could leave out the one that was remembered. Not the
    /// id alone either: a vendor that tries again sends the same id, with a new time.
    pub fn replay_value(&self, request: &Request<'_>, body: &[u8]) -> Result<[u8; 32], Refusal> {
        let fields = fields::read(self.scheme, request, body)?;
        let mut hash = Sha256::new();
        for message in &fields.messages {
            hash.update((message.len() as u64).to_le_bytes());
            hash.update(message);
        }
        if fields.with_body {
            hash.update(body);
        }
        Ok(hash.finalize().into())
    }

    fn is_fresh(&self, fields: &Fields, now: u64) -> Result<(), Refusal> {
        match fields.signed_at {
            Some(signed_at) if signed_at > now.saturating_add(self.skew_seconds) => Err(Refusal::TooNew),
            Some(signed_at) if now > signed_at.saturating_add(self.skew_seconds) => Err(Refusal::TooOld),
            _ => Ok(()),
        }
    }
}

/// The signature that is of any of the messages. All are tried. That one counts, for a replay could put others beside it.
fn fitting<'a>(key: &VerifyingKey, fields: &'a Fields, body: &[u8]) -> Result<&'a [u8], Refusal> {
    let body = if fields.with_body { body } else { b"" };
    let mut fitting = None;
    for message in &fields.messages {
        let signatures = fields.signatures.iter().filter(|(algorithm, _)| *algorithm == key.algorithm());
        let one = key.fitting(&[message, body], signatures.map(|(_, signature)| signature.as_slice()));
        fitting = fitting.or(one);
    }
    fitting.ok_or(Refusal::BadSignature)
}

/// The key of a secret's text. Stripe's is the text itself, prefix and all; Standard Webhooks' is what follows it.
fn verifying_key(scheme: Scheme, secret: &Secret) -> Option<VerifyingKey> {
    if !matches!(scheme, Scheme::StandardWebhooks | Scheme::Svix) {
        return VerifyingKey::hmac(scheme.algorithm(), secret);
    }
    if let Some(text) = secret.bytes().strip_prefix(b"whpk_") {
        return VerifyingKey::ed25519(&encoding::base64(text)?);
    }
    let text = secret.bytes().strip_prefix(b"whsec_")?;
    VerifyingKey::hmac(Algorithm::HmacSha256, &Secret::new(encoding::base64(text)?)?)
}

/// The value of `X-Shopify-Hmac-Sha256`, `X-Hub-Signature-256`, `X-Slack-Signature`, `Stripe-Signature` or
/// `webhook-signature` for a body: for webhooks that the gateway itself sends. `None` for the other schemes, for an id
/// that may not be one, or a secret that has not the vendor's form.
pub fn sign(scheme: Scheme, secret: &Secret, id: &str, body: &[u8], now: u64) -> Option<String> {
    let text = match scheme {
        Scheme::StandardWebhooks | Scheme::Svix => secret.bytes().strip_prefix(b"whsec_").and_then(encoding::base64)?,
        _ => secret.bytes().to_vec(),
    };
    let key = crate::SigningKey::hmac(scheme.algorithm(), &Secret::new(text)?)?;
    let of = |before: &str| key.sign(&[before.as_bytes(), body]);
    match scheme {
        Scheme::StandardWebhooks | Scheme::Svix => {
            fields::is_id(id.as_bytes()).then_some(())?;
            Some(format!("v1,{}", encoding::to_base64(&of(&format!("{id}.{now}."))?)))
        }
        Scheme::Stripe => Some(format!("t={now},v1={}", encoding::to_hex(&of(&format!("{now}."))?))),
        Scheme::GitHub => Some(format!("sha256={}", encoding::to_hex(&of("")?))),
        Scheme::Slack => Some(format!("v0={}", encoding::to_hex(&of(&format!("v0:{now}:"))?))),
        Scheme::Shopify => Some(encoding::to_base64(&of("")?)),
        Scheme::Twilio | Scheme::ShopifyOauth | Scheme::ShopifyProxy => None,
    }
}
