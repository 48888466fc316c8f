//! What the gateway configures, read from the JSON that it writes: no client ever sees or sends it.

use std::collections::HashMap;

use serde::Deserialize;

use super::{
    Verifier,
    cache::Cache,
    claims::{Audience, Claim, ConsumerRule, Requirement, Rules, Wanted},
    json::Json,
    keys::{self, Key},
    token::media_type,
};
use crate::{Algorithm, Secret, VerifyingKey, encoding};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeySetOptions {
    keys: Vec<KeyOptions>,
    most_without_id: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyOptions {
    id: Option<String>,
    algorithms: Vec<String>,
    spki: Option<String>,
    secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VerifierOptions {
    algorithms: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    issuers: Vec<String>,
    audiences: Vec<String>,
    any_audience: bool,
    expiry_required: bool,
    clock_skew_seconds: u32,
    required: Vec<RequiredOptions>,
    consumer: Option<ConsumerOptions>,
    headers: Vec<HeaderOptions>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequiredOptions {
    claim: String,
    all: Option<Vec<Json>>,
    any: Option<Vec<Json>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ConsumerOptions {
    claim: String,
    subjects: Vec<SubjectOptions>,
    admit_unknown: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectOptions {
    subject: String,
    issuer: Option<String>,
    consumer: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderOptions {
    name: String,
    claim: String,
}

pub fn key_set(json: &str) -> Result<(Vec<Key>, usize), String> {
    // The reader's own message may quote what it has read: a secret.
    let options: KeySetOptions = serde_json::from_str(json).map_err(|_| "a key set in JSON was expected")?;
    let mut keys = Vec::new();
    for (at, key) in options.keys.into_iter().enumerate() {
        for name in &key.algorithms {
            let read = verifying_key(algorithm(name)?, &key);
            keys.push(Key {
                id: key.id.clone(),
                key: read.map_err(|reason| format!("key {at} for {name}: {reason}"))?,
            });
        }
    }
    Ok((keys, options.most_without_id))
}

fn verifying_key(algorithm: Algorithm, key: &KeyOptions) -> Result<VerifyingKey, String> {
    let decoded = |text: &str| encoding::base64(text.as_bytes()).ok_or("base64 was expected");
    match (&key.spki, &key.secret) {
        (Some(spki), None) => {
            VerifyingKey::public(algorithm, &decoded(spki)?).ok_or_else(|| "not a key for this algorithm".into())
        }
        (None, Some(secret)) => {
            let secret = decoded(secret)?;
            // RFC 7518, 3.2: a key of the hash's size or larger.
            let least = match algorithm {
                Algorithm::HmacSha384 => 48,
                Algorithm::HmacSha512 => 64,
                _ => 32,
            };
            if secret.len() < least {
                return Err(format!("a secret of at least {least} bytes was expected"));
            }
            let secret = Secret::new(secret).ok_or("the secret is blank")?;
            VerifyingKey::hmac(algorithm, &secret).ok_or_else(|| "this algorithm has no shared secret".into())
        }
        _ => Err("either spki or secret was expected".into()),
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    keys::algorithm(name).ok_or_else(|| format!("unknown algorithm {name:?}"))
}

pub fn verifier(json: &str) -> Result<Verifier, String> {
    let options: VerifierOptions = serde_json::from_str(json).map_err(|error| error.to_string())?;
    if options.algorithms.is_empty() {
        return Err("no algorithm".into());
    }
    let audience = match (options.any_audience, options.audiences) {
        (true, _) => Audience::Any,
        (false, names) if names.is_empty() => Audience::None,
        (false, names) => Audience::OneOf(names),
    };
    Ok(Verifier {
        algorithms: options.algorithms.iter().map(|name| algorithm(name)).collect::<Result<_, _>>()?,
        kind: options.kind.map(|kind| media_type(&kind)),
        rules: Rules {
            issuers: options.issuers,
            audience,
            expiry_required: options.expiry_required,
            skew_seconds: options.clock_skew_seconds.into(),
            required: options.required.into_iter().map(requirement).collect::<Result<_, _>>()?,
            consumer: options.consumer.map(consumer_rule),
            headers: options
                .headers
                .into_iter()
                .map(|HeaderOptions { name, claim }| (name.into_bytes(), Claim::new(&claim)))
                .collect(),
        },
        cache: Cache::default(),
    })
}

fn requirement(options: RequiredOptions) -> Result<Requirement, String> {
    let wanted = match (options.all, options.any) {
        (None, None) => Wanted::Present,
        (Some(all), None) => Wanted::All(all),
        (None, Some(any)) => Wanted::Any(any),
        _ => return Err("all or any, not both".into()),
    };
    Ok(Requirement { claim: Claim::new(&options.claim), wanted })
}

fn consumer_rule(options: ConsumerOptions) -> ConsumerRule {
    let mut subjects: HashMap<String, Vec<(Option<String>, u32)>> = HashMap::new();
    for SubjectOptions { subject, issuer, consumer } in options.subjects {
        subjects.entry(subject).or_default().push((issuer, consumer));
    }
    ConsumerRule { claim: Claim::new(&options.claim), subjects, admit_unknown: options.admit_unknown }
}
