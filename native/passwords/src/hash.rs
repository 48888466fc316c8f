//! Password hashes: argon2id and argon2i as PHC strings, bcrypt as crypt(3) writes it. What one costs is bounded when it
//! is read: a configuration must not be able to exhaust the machine by a hash.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD_NO_PAD};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Of one argon2 hash.
pub const MAX_MEMORY_KIB: u32 = 64 * 1024;
/// Memory times passes: half a second on a slow machine.
pub const MAX_WORK_KIB: u32 = 4 * MAX_MEMORY_KIB;
/// A second and a half there.
pub const MAX_BCRYPT_COST: u32 = 14;
const MAX_LANES: u32 = 16;

/// bcrypt knows nothing of what comes behind.
const MAX_BCRYPT_BYTES: usize = 72;
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD);

/// OWASP's first choice: 19 MiB, two passes, one lane.
const OWN_MEMORY_KIB: u32 = 19 * 1024;
const OWN_PASSES: u32 = 2;
const OWN_OUTPUT_BYTES: usize = 32;

/// Memory of argon2, kept from hash to hash: getting 64 MiB anew from the system costs a tenth of the hash.
#[derive(Default)]
pub struct Scratch(Vec<Block>);

impl Scratch {
    fn blocks(&mut self, count: usize) -> Option<&mut [Block]> {
        if self.0.len() < count {
            self.0.try_reserve_exact(count - self.0.len()).ok()?;
            self.0.resize(count, Block::new());
        }
        Some(&mut self.0[..count])
    }

    /// Gives the memory back to the system.
    pub fn give_back(&mut self) {
        self.0 = Vec::new();
    }
}

/// A hash that passwords can be compared with.
#[derive(Debug)]
pub struct PasswordHash(Kind);

#[derive(Debug)]
enum Kind {
    Argon2 { how: Argon2<'static>, salt: Vec<u8>, output: Vec<u8> },
    Bcrypt { cost: u32, salt: [u8; 16], output: [u8; 23] },
}

impl PasswordHash {
    /// The reason does not show the hash.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = text.split('$');
        if parts.next() != Some("") {
            return Err("a hash begins with $argon2id$ or $2b$");
        }
        let kind = match parts.next() {
            Some("argon2id") => argon2(Algorithm::Argon2id, parts)?,
            Some("argon2i") => argon2(Algorithm::Argon2i, parts)?,
            Some("2a" | "2b" | "2y") => bcrypt(parts)?,
            _ => return Err("a hash begins with $argon2id$ or $2b$"),
        };
        Ok(Self(kind))
    }

    /// None: the memory for it cannot be had.
    pub fn verify(&self, password: &[u8], scratch: &mut Scratch) -> Option<bool> {
        match &self.0 {
            Kind::Argon2 { how, salt, output } => {
                let mut found = [0; MAX_OUTPUT_BYTES];
                let found = &mut found[..output.len()];
                let blocks = scratch.blocks(how.params().block_count())?;
                how.hash_password_into_with_memory(password, salt, found, blocks).ok()?;
                Some(found.ct_eq(output).into())
            }
            Kind::Bcrypt { cost, salt, output } => {
                // With a NUL behind it, where there is room; the rest would be ignored, so a longer one is never right.
                let mut key = Zeroizing::new([0; MAX_BCRYPT_BYTES]);
                let length = password.len().min(MAX_BCRYPT_BYTES);
                key[..length].copy_from_slice(&password[..length]);
                let found = bcrypt::bcrypt(*cost, *salt, &key[..(length + 1).min(MAX_BCRYPT_BYTES)]);
                let same: bool = found[..output.len()].ct_eq(output).into();
                Some(same && password.len() <= MAX_BCRYPT_BYTES)
            }
        }
    }
}

const MIN_SALT_BYTES: usize = 8;
const MAX_SALT_BYTES: usize = 64;
const MIN_OUTPUT_BYTES: usize = 16;
const MAX_OUTPUT_BYTES: usize = 64;

const ARGON2_FORM: &str = "argon2 is written $argon2id$v=19$m=19456,t=2,p=1$salt$hash";

fn argon2<'a>(algorithm: Algorithm, mut parts: impl Iterator<Item = &'a str>) -> Result<Kind, &'static str> {
    if parts.next() != Some("v=19") {
        return Err("argon2 of version 19 (v=19) is understood, and no other");
    }
    let mut next = || parts.next().ok_or(ARGON2_FORM);
    let (costs, salt, output) = (next()?, next()?, next()?);
    if parts.next().is_some() {
        return Err(ARGON2_FORM);
    }
    let mut costs = costs.split(',');
    let mut cost = |name: &str| {
        let digits = costs.next().and_then(|cost| cost.strip_prefix(name))?;
        decimal(digits, 9)
    };
    let (Some(memory), Some(passes), Some(lanes)) = (cost("m="), cost("t="), cost("p=")) else {
        return Err(ARGON2_FORM);
    };
    if costs.next().is_some() {
        return Err(ARGON2_FORM);
    }
    if !(1..=MAX_LANES).contains(&lanes) || passes < 1 || memory < 8 * lanes {
        return Err("argon2 needs t of at least 1, p from 1 to 16, and m of at least 8 p");
    }
    if memory > MAX_MEMORY_KIB || u64::from(memory) * u64::from(passes) > u64::from(MAX_WORK_KIB) {
        return Err("argon2 with m of at most 65536 and m times t of at most 262144 is allowed");
    }
    let decode = |text: &str| STANDARD_NO_PAD.decode(text).map_err(|_| ARGON2_FORM);
    let (salt, output) = (decode(salt)?, decode(output)?);
    if !(MIN_SALT_BYTES..=MAX_SALT_BYTES).contains(&salt.len()) {
        return Err("a salt has 8 to 64 bytes");
    }
    if !(MIN_OUTPUT_BYTES..=MAX_OUTPUT_BYTES).contains(&output.len()) {
        return Err("a hash has 16 to 64 bytes");
    }
    let params = Params::new(memory, passes, lanes, Some(output.len())).map_err(|_| ARGON2_FORM)?;
    Ok(Kind::Argon2 { how: Argon2::new(algorithm, Version::V0x13, params), salt, output })
}

const BCRYPT_FORM: &str = "bcrypt is written $2b$12$, 22 characters of salt and 31 of hash";

fn bcrypt<'a>(mut parts: impl Iterator<Item = &'a str>) -> Result<Kind, &'static str> {
    let (Some(cost), Some(rest), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(BCRYPT_FORM);
    };
    if cost.len() != 2 || rest.len() != 53 || !rest.is_ascii() {
        return Err(BCRYPT_FORM);
    }
    let cost = decimal(cost.strip_prefix('0').unwrap_or(cost), 2).ok_or(BCRYPT_FORM)?;
    if !(4..=MAX_BCRYPT_COST).contains(&cost) {
        return Err("bcrypt with a cost from 4 to 14 is allowed");
    }
    let (mut salt, mut output) = ([0; 16], [0; 23]);
    for (text, bytes) in [(&rest[..22], &mut salt[..]), (&rest[22..], &mut output[..])] {
        let length = BCRYPT_BASE64.decode_slice(text, bytes).map_err(|_| BCRYPT_FORM)?;
        if length != bytes.len() {
            return Err(BCRYPT_FORM);
        }
    }
    Ok(Kind::Bcrypt { cost, salt, output })
}

/// Without sign, blanks and leading zeros.
fn decimal(text: &str, most_digits: usize) -> Option<u32> {
    let sound = (1..=most_digits).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    if sound { text.parse().ok() } else { None }
}

/// A hash for the configuration, with OWASP's parameters. None: the memory for it cannot be had.
pub fn make_argon2id(password: &[u8], salt: &[u8; 16]) -> Option<String> {
    let params = Params::new(OWN_MEMORY_KIB, OWN_PASSES, 1, Some(OWN_OUTPUT_BYTES)).ok()?;
    let mut scratch = Scratch::default();
    let blocks = scratch.blocks(params.block_count())?;
    let mut output = [0; OWN_OUTPUT_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, &mut output, blocks)
        .ok()?;
    let [salt, output] = [&salt[..], &output].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    Some(format!("$argon2id$v=19$m={OWN_MEMORY_KIB},t={OWN_PASSES},p=1${salt}${output}"))
}
