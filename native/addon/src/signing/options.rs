//! What JavaScript gives for a verifier, turned into what `polygate_signing` takes. Not called per request.

use napi::bindgen_prelude::{Buffer, Result};
use napi_derive::napi;
use polygate_signing::{
    Algorithm, Hash, Kernel, Keys, NamedKey, Secret, Validity, VerifyingKey, cavage,
    mashery::{self, Mashery},
    rfc9421, sigv4, webhook,
};

use super::verifier::{Carrier, Owner, Scheme, Verifier};
use crate::arguments::wrong;

/// See `SignatureCredential` in `ts/shared/native-signing.ts`.
#[napi(object, object_to_js = false)]
pub struct SignatureCredential {
    pub owner: String,
    pub key_id: String,
    /// A secret, or a public key in DER.
    pub key: Buffer,
    pub public: bool,
    pub algorithm: String,
    pub not_before_seconds: f64,
    pub not_after_seconds: f64,
}

/// See `SignatureVerifierOptions`. Of a scheme that has no such thing, texts are empty.
#[napi(object, object_to_js = false)]
pub struct SignatureVerifierOptions {
    pub scheme: String,
    pub skew_seconds: u32,
    pub key_header: String,
    pub header: String,
    pub key_parameter: String,
    pub parameter: String,
    pub dialect: String,
    pub required: Vec<String>,
    pub unsigned_body: bool,
    pub tag: String,
    pub region: String,
    pub service: String,
    pub as_sent: bool,
    pub presigned: bool,
    /// The name of a kernel for Mashery's window, for benchmarks; none: the fastest.
    pub kernel: Option<String>,
    pub credentials: Vec<SignatureCredential>,
}

/// What the configuration calls the algorithms.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "hmac-sha1" => Algorithm::HmacSha1,
        "hmac-sha256" => Algorithm::HmacSha256,
        "hmac-sha384" => Algorithm::HmacSha384,
        "hmac-sha512" => Algorithm::HmacSha512,
        "rsa-v1_5-sha256" => Algorithm::RsaV15Sha256,
        "rsa-pss-sha512" => Algorithm::RsaPssSha512,
        "ecdsa-p256-sha256" => Algorithm::EcdsaP256Sha256,
        "ed25519" => Algorithm::Ed25519,
        _ => return None,
    })
}

pub fn dialect(name: &str) -> Option<cavage::Dialect> {
    Some(match name {
        "draft" => cavage::Dialect::Cavage,
        "draft-10" => cavage::Dialect::Cavage10,
        "tyk" => cavage::Dialect::Tyk,
        "kong" => cavage::Dialect::Kong,
        "apisix" => cavage::Dialect::Apisix,
        _ => return None,
    })
}

pub fn mashery_hash(scheme: &str) -> Option<Hash> {
    Some(match scheme {
        "mashery-sha256" => Hash::Sha256,
        "mashery-md5" => Hash::Md5,
        _ => return None,
    })
}

fn webhook_scheme(name: &str) -> Option<webhook::Scheme> {
    Some(match name {
        "standard-webhooks" => webhook::Scheme::StandardWebhooks,
        "svix" => webhook::Scheme::Svix,
        "stripe" => webhook::Scheme::Stripe,
        "github" => webhook::Scheme::GitHub,
        "slack" => webhook::Scheme::Slack,
        "twilio" => webhook::Scheme::Twilio,
        "shopify" => webhook::Scheme::Shopify,
        "shopify-oauth" => webhook::Scheme::ShopifyOauth,
        "shopify-proxy" => webhook::Scheme::ShopifyProxy,
        _ => return None,
    })
}

impl SignatureCredential {
    /// Errors name whose it is, never what it is.
    fn error(&self, problem: &str) -> napi::Error {
        wrong(format_args!("signing key {} of consumer {} {problem}", self.key_id, self.owner))
    }

    fn secret(&self) -> Result<Secret> {
        Secret::new(self.key.as_ref()).ok_or_else(|| self.error("is blank"))
    }

    fn validity(&self) -> Validity {
        // Floats saturate: infinity is for ever.
        Validity { not_before: self.not_before_seconds as u64, not_after: self.not_after_seconds as u64 }
    }

    fn named(&self) -> Result<NamedKey> {
        let algorithm = algorithm(&self.algorithm).ok_or_else(|| self.error("has an unknown algorithm"))?;
        let key = if self.public {
            VerifyingKey::public(algorithm, &self.key)
        } else {
            VerifyingKey::hmac(algorithm, &self.secret()?)
        };
        let key = key.ok_or_else(|| self.error("does not fit its algorithm"))?;
        Ok(NamedKey { id: self.key_id.as_bytes().to_vec(), key, validity: self.validity() })
    }
}

impl SignatureVerifierOptions {
    pub fn compile(&self) -> Result<Verifier> {
        let owners = self
            .credentials
            .iter()
            .map(|one| Owner {
                name: [&self.scheme, "\0", &one.owner, "\0", &one.key_id].concat().into_bytes(),
                algorithm: algorithm(&one.algorithm),
            })
            .collect();
        Ok(Verifier { scheme: self.scheme()?, owners, unsigned_body: self.unsigned_body })
    }

    fn scheme(&self) -> Result<Scheme> {
        if let Some(hash) = mashery_hash(&self.scheme) {
            return self.mashery(hash);
        }
        if let Some(scheme) = webhook_scheme(&self.scheme) {
            return self.webhook(scheme);
        }
        let keys = || Ok::<_, napi::Error>(Keys::new(self.each(SignatureCredential::named)?));
        let skew_seconds = u64::from(self.skew_seconds);
        match self.scheme.as_str() {
            "cavage" => {
                let dialect = dialect(&self.dialect).ok_or_else(|| wrong("an unknown dialect"))?;
                let options =
                    cavage::Options { skew_seconds, required: self.required.clone(), ..cavage::Options::new(dialect) };
                Ok(Scheme::Cavage(cavage::Verifier::new(options, keys()?)))
            }
            "rfc9421" => {
                let tag = Some(self.tag.clone()).filter(|tag| !tag.is_empty());
                let options =
                    rfc9421::Options { skew_seconds, required: self.required.clone(), tag, ..rfc9421::Options::new() };
                Ok(Scheme::Rfc9421(rfc9421::Verifier::new(options, keys()?)))
            }
            "sigv4" => {
                let path = if self.as_sent { sigv4::Path::AsSent } else { sigv4::Path::Normalized };
                let options = sigv4::Options {
                    path,
                    skew_seconds,
                    presigned: self.presigned,
                    // Where there is a body, `Verifier` looks at that.
                    unsigned_payload: true,
                    required: self.required.clone(),
                    ..sigv4::Options::new(&self.region, &self.service)
                };
                let keys = self.each(|one| {
                    let id = one.key_id.as_bytes().to_vec();
                    Ok(sigv4::AccessKey { id, secret: one.secret()?, validity: one.validity() })
                })?;
                Ok(Scheme::SigV4 { keys: sigv4::Verifier::new(options, keys), normalized: !self.as_sent })
            }
            _ => Err(wrong("an unknown scheme")),
        }
    }

    fn mashery(&self, hash: Hash) -> Result<Scheme> {
        let credentials = self.each(|one| {
            let key = one.key_id.as_bytes().to_vec();
            Ok(mashery::Credential { key, secret: one.secret()?, validity: one.validity() })
        })?;
        let mut options = mashery::Options { skew_seconds: self.skew_seconds, ..mashery::Options::new(hash) };
        if let Some(name) = &self.kernel {
            options.kernel = Kernel::available()
                .into_iter()
                .find(|kernel| kernel.name() == name)
                .ok_or_else(|| wrong("a kernel that this processor has not"))?;
        }
        let keys = Mashery::new(&options, credentials).ok_or_else(|| wrong("a skew past 900 s, or an empty key"))?;
        let carrier = |header: &str, parameter: &str| Carrier {
            header: header.as_bytes().to_vec(),
            parameter: parameter.as_bytes().to_vec(),
        };
        Ok(Scheme::Mashery {
            keys: Box::new(keys),
            key: carrier(&self.key_header, &self.key_parameter),
            signature: carrier(&self.header, &self.parameter),
        })
    }

    fn webhook(&self, scheme: webhook::Scheme) -> Result<Scheme> {
        let secrets = self.each(|one| Ok((one.secret()?, one.validity())))?;
        let keys = webhook::Verifier::new(scheme, u64::from(self.skew_seconds), &secrets)
            .ok_or_else(|| wrong(format_args!("a secret has not the form that {} wants", self.scheme)))?;
        Ok(Scheme::Webhook { keys, signs_body: scheme.signs_body() })
    }

    fn each<T>(&self, make: impl Fn(&SignatureCredential) -> Result<T>) -> Result<Vec<T>> {
        self.credentials.iter().map(make).collect()
    }
}
