//! Who signs: keys by their id. One id may have several keys at once, for rotation.

use std::{collections::HashMap, fmt};

use crate::{Algorithm, Refusal, Validity, VerifyingKey};

/// A key and its public name, matched exactly.
#[derive(Debug)]
pub struct NamedKey {
    /// The name that requests carry.
    pub id: Vec<u8>,
    /// The key.
    pub key: VerifyingKey,
    /// When it counts.
    pub validity: Validity,
}

/// Keys by id.
pub struct Keys {
    by_id: HashMap<Box<[u8]>, Vec<(usize, NamedKey)>>,
}

impl Keys {
    /// Keeps each key's place in the list: that is what a verified request names.
    pub fn new(keys: Vec<NamedKey>) -> Self {
        let mut by_id: HashMap<Box<[u8]>, Vec<(usize, NamedKey)>> = HashMap::new();
        for (place, key) in keys.into_iter().enumerate() {
            by_id.entry(key.id.clone().into_boxed_slice()).or_default().push((place, key));
        }
        Self { by_id }
    }

    /// The place of a key of this id, valid at `now`, that verifies. `named` says whether a key's algorithm is what the
    /// request names. All keys of the id are tried, so the time does not tell which one it was.
    pub(crate) fn verify(
        &self,
        id: &[u8],
        now: u64,
        named: impl Fn(Algorithm) -> bool,
        parts: &[&[u8]],
        signature: &[u8],
    ) -> Result<usize, Refusal> {
        let all = self.by_id.get(id).ok_or(Refusal::UnknownKey)?;
        let mut outcome = Err(Refusal::NoActiveSecret);
        for (place, one) in all.iter().filter(|(_, one)| one.validity.contains(now)) {
            if !named(one.key.algorithm()) {
                // Says less than what another key has found.
                if outcome == Err(Refusal::NoActiveSecret) {
                    outcome = Err(Refusal::WrongAlgorithm);
                }
            } else if one.key.verify(parts, signature) {
                outcome = outcome.or(Ok(*place));
            } else {
                outcome = outcome.or(Err(Refusal::BadSignature));
            }
        }
        outcome
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keys").field("ids", &self.by_id.len()).finish_non_exhaustive()
    }
}
