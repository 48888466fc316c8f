//! Stamps requests with a ULID: 48 bits of milliseconds and 80 bits that nobody guesses, in 26 characters that sort by time
//! (github.com/ulid/spec). Within a millisecond an id is one above the one before, so that the order holds there too.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::{SystemTime, UNIX_EPOCH};

use polygate_plugin::{Config, Host, Plugin, Request, Response, Result, Verdict, polygate_plugin};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The time's share; the rest is chance.
const CHANCE_BITS: u32 = 80;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    header: String,
    #[serde(default)]
    trust_client: bool,
}

struct Stamp {
    settings: Settings,
    last: u128,
}

impl Stamp {
    fn next(&mut self) -> [u8; 26] {
        let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let least = millis << CHANCE_BITS;
        // A clock that is set back repeats no id: the last one counts on.
        self.last = if self.last >= least { self.last + 1 } else { least | chance() };
        let mut text = [0; 26];
        for (place, character) in text.iter_mut().rev().enumerate() {
            *character = ALPHABET[(self.last >> (5 * place)) as usize & 31];
        }
        text
    }
}

/// 79 bits: the highest is free, so that counting on never reaches the next millisecond.
fn chance() -> u128 {
    // SipHash under keys that the system's randomness has given, another one each time.
    let bits = || u128::from(RandomState::new().hash_one(0_u8));
    (bits() << 64 | bits()) & ((1 << (CHANCE_BITS - 1)) - 1)
}

fn is_ulid(text: &[u8]) -> bool {
    text.len() == 26 && text[0] <= b'7' && text.iter().all(|byte| ALPHABET.contains(&byte.to_ascii_uppercase()))
}

impl Plugin for Stamp {
    fn new(config: &Config<'_>, _host: &Host) -> Result<Self> {
        Ok(Self { settings: config.parse()?, last: 0 })
    }

    fn request(&mut self, request: &mut Request<'_>) -> Result<Verdict> {
        let own = request.headers.get(&self.settings.header).filter(|id| self.settings.trust_client && is_ulid(id));
        let id = match own {
            Some(id) => id.to_vec(),
            None => self.next().to_vec(),
        };
        request.headers.set(&self.settings.header, &id)?;
        request.set_context("request-stamp", &id)?;
        Ok(Verdict::Continue)
    }

    fn response(&mut self, response: &mut Response<'_>, request: &Request<'_>) -> Result<Verdict> {
        if let Some(id) = request.context("request-stamp") {
            response.headers.set(&self.settings.header, id)?;
        }
        Ok(Verdict::Continue)
    }
}

polygate_plugin!(Stamp: request, response);
