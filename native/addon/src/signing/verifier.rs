//! A signature guard's scheme with its credentials: heads in, the place of the credential out. Bodies are not waited for
//! here: where one has to be looked at, what is left to do is kept by the caller until it is there.

use std::borrow::Cow;

use polygate_head::{Head, parameters};
use polygate_signing::{
    Algorithm, BodyDigest, Refusal, Request, cavage, digest_of, mashery::Mashery, rfc9421, sha256, sigv4, webhook,
};

use super::request::{Lines, Reached, has_body, with_request};

/// Where a text of Mashery's is: in a header, in a parameter of the query, or in either; empty: not there.
#[derive(Default)]
pub struct Carrier {
    pub header: Vec<u8>,
    pub parameter: Vec<u8>,
}

impl Carrier {
    /// The one text. Two are none, wherever they are: two readers would take different ones.
    fn read<'a>(&'a self, head: &'a Head) -> Result<Cow<'a, [u8]>, Refusal> {
        let mut found = None;
        if !self.header.is_empty() {
            for value in head.values(&self.header) {
                once(&mut found, Cow::Borrowed(value))?;
            }
        }
        if !self.parameter.is_empty() {
            for value in parameters(head.query().unwrap_or_default(), &self.parameter) {
                once(&mut found, value)?;
            }
        }
        found.ok_or(Refusal::Missing)
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Refusal> {
    if slot.replace(value).is_some() { Err(Refusal::Duplicate) } else { Ok(()) }
}

/// What kind of signatures, with the keys to verify them.
pub enum Scheme {
    Mashery {
        keys: Box<Mashery>,
        key: Carrier,
        signature: Carrier,
    },
    Cavage(cavage::Verifier),
    Rfc9421(rfc9421::Verifier),
    /// `normalized`: as [`sigv4::Path`] says.
    SigV4 {
        keys: sigv4::Verifier,
        normalized: bool,
    },
    Webhook {
        keys: webhook::Verifier,
        signs_body: bool,
    },
}

/// Whose a credential is.
pub struct Owner {
    /// Scheme, consumer and key id, as one text: replays are remembered under it.
    pub name: Vec<u8>,
    pub algorithm: Option<Algorithm>,
}

/// A scheme for one guard.
pub struct Verifier {
    pub scheme: Scheme,
    /// By the credential's place.
    pub owners: Vec<Owner>,
    /// Whether a body may come that no signature covers.
    pub unsigned_body: bool,
}

/// An accepted signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The place of the credential.
    pub place: usize,
    /// What a replay is known by, where somebody wants to know. Of Mashery's, which honest clients repeat: what an address
    /// is bound to.
    pub replay: Option<[u8; 32]>,
}

/// What the caller says of a request.
#[derive(Clone, Copy)]
pub struct Asked {
    pub reached: Reached,
    /// Whether somebody remembers what has been accepted.
    pub replay: bool,
}

/// What a head's signature is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted(Accepted),
    /// If the body has this digest.
    WithDigest(Accepted, BodyDigest),
    /// Nothing can be said without the body.
    WithBody,
}

impl Verifier {
    /// `now` in Unix seconds.
    pub fn verify(&mut self, head: &Head, asked: Asked, lines: &mut Lines, now: u64) -> Result<Verdict, Refusal> {
        if let Scheme::Mashery { keys, key, signature } = &mut self.scheme {
            let accepted = keys.verify(&key.read(head)?, &signature.read(head)?, now)?;
            let owner = &self.owners[accepted.credential].name;
            let replay = asked.replay.then(|| digest_of(&[owner, &accepted.second.to_le_bytes()]));
            return Ok(Verdict::Accepted(Accepted { place: accepted.credential, replay }));
        }
        let body = has_body(head);
        let verdict =
            with_request(head, asked.reached, lines, |request| self.verify_request(request, body, asked.replay, now))?;
        match verdict {
            Verdict::Accepted(_) if body && !self.unsigned_body => Err(Refusal::NotCovered),
            // A body that is not there has a digest too.
            Verdict::WithDigest(accepted, digest) if !body => checked(accepted, &digest, b"").map(Verdict::Accepted),
            verdict => Ok(verdict),
        }
    }

    /// For a head of which the body has to be known. `now`: when the head came.
    pub fn verify_whole(
        &self,
        head: &Head,
        body: &[u8],
        asked: Asked,
        lines: &mut Lines,
        now: u64,
    ) -> Result<Accepted, Refusal> {
        with_request(head, asked.reached, lines, |request| match &self.scheme {
            Scheme::SigV4 { keys, .. } => {
                keys.verify(request, Some(&sha256(body)), now).map(|accepted| self.of_sigv4(&accepted, asked.replay))
            }
            Scheme::Webhook { keys, .. } => self.of_webhook(keys, request, body, asked.replay, now),
            Scheme::Mashery { .. } | Scheme::Cavage(_) | Scheme::Rfc9421(_) => Err(Refusal::Malformed),
        })
    }

    fn verify_request(&self, request: &Request<'_>, body: bool, replay: bool, now: u64) -> Result<Verdict, Refusal> {
        match &self.scheme {
            // Is verified without its request.
            Scheme::Mashery { .. } => Err(Refusal::Missing),
            Scheme::Cavage(keys) => {
                let accepted = keys.verify(request, now)?;
                Ok(verdict(self.accepted(accepted.key, &accepted.signature, replay), accepted.body))
            }
            Scheme::Rfc9421(keys) => {
                let accepted = keys.verify(request, now)?;
                let ours = match &accepted.nonce {
                    Some(nonce) => self.remembered(accepted.key, b"nonce", nonce, replay),
                    None => self.accepted(accepted.key, &accepted.signature, replay),
                };
                Ok(verdict(ours, accepted.body))
            }
            Scheme::SigV4 { keys, normalized } => {
                // `/a//b` is signed as `/a/b`, but the upstream gets the one that was sent.
                if *normalized && request.path().windows(2).any(|two| two == b"//") {
                    return Err(Refusal::Malformed);
                }
                if body && keys.needs_body(request, now)? {
                    return Ok(Verdict::WithBody);
                }
                let empty = sha256(b"");
                let accepted = keys.verify(request, if body { None } else { Some(&empty) }, now)?;
                Ok(verdict(self.of_sigv4(&accepted, replay), accepted.body.filter(|_| body)))
            }
            Scheme::Webhook { keys, signs_body } => {
                if body && *signs_body {
                    keys.check_head(request, now)?;
                    return Ok(Verdict::WithBody);
                }
                self.of_webhook(keys, request, b"", replay, now).map(Verdict::Accepted)
            }
        }
    }

    fn of_sigv4(&self, accepted: &sigv4::Accepted, replay: bool) -> Accepted {
        self.remembered(accepted.key, b"signature", &accepted.signature, replay)
    }

    fn of_webhook(
        &self,
        keys: &webhook::Verifier,
        request: &Request<'_>,
        body: &[u8],
        replay: bool,
        now: u64,
    ) -> Result<Accepted, Refusal> {
        let accepted = keys.verify(request, body, now)?;
        Ok(self.remembered(accepted.key, b"message", &keys.replay_value(request, body)?, replay))
    }

    fn accepted(&self, place: usize, signature: &[u8], replay: bool) -> Accepted {
        let algorithm = self.owners[place].algorithm;
        let fixed = algorithm.map_or(signature, |algorithm| algorithm.fixed_part(signature));
        self.remembered(place, b"signature", fixed, replay)
    }

    fn remembered(&self, place: usize, kind: &[u8], value: &[u8], replay: bool) -> Accepted {
        Accepted { place, replay: replay.then(|| digest_of(&[&self.owners[place].name, kind, value])) }
    }
}

fn verdict(accepted: Accepted, digest: Option<BodyDigest>) -> Verdict {
    digest.map_or(Verdict::Accepted(accepted), |digest| Verdict::WithDigest(accepted, digest))
}

/// The accepted signature, if the body is the one that was signed.
pub fn checked(accepted: Accepted, digest: &BodyDigest, body: &[u8]) -> Result<Accepted, Refusal> {
    if digest.matches(body) { Ok(accepted) } else { Err(Refusal::WrongDigest) }
}
