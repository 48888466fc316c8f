//! Opening the file: made if it is not there, rebuilt if it is not what it should be, refused if another gateway has it.
//!
//! Locks, all of them the kernel's, which lets go of them when a process ends however it ends:
//! byte 0 is held by whoever is opening; byte 1 is shared by all who have the file open, so that who gets it alone knows
//! that nobody else is there and may rebuild; byte 2 + n is held by the owner of descriptor n.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use siphasher::sip128::SipHasher13;

use crate::layout::{Flaw, GATEWAY_WORD, HANDLES, HEADER_WORDS, Header, Layout, MAGIC};
use crate::mapping::{self, Lock, Mapping};
use crate::table::KeyHash;
use crate::txn;

const GATE: usize = 0;
const ATTACHED: usize = 1;
const FIRST_HANDLE: usize = 2;

/// How large, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Keys that can be counted at once, over all rules: about 145 bytes each.
    pub keys: usize,
    /// Values that can be remembered at once, over all replay windows: about 17 bytes each.
    pub replays: usize,
    /// The gateway that the file is for, the same in all its workers: while one of another gateway has the file open,
    /// opening it is refused. `None`: the file and its limits are shared with whoever else has it open.
    pub gateway: Option<u64>,
}

/// What opening has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// The file as it was.
    Kept,
    /// There was none, or an empty one.
    Created,
    /// There was one that could not be used, so what it held is gone: to be logged.
    Rebuilt(Flaw),
}

/// Why the file cannot be had.
#[derive(Debug)]
pub enum OpenError {
    /// The operating system says so.
    Io(io::Error),
    /// A directory, a device, a pipe.
    NotAFile,
    /// Sizes beyond 64 GiB.
    TooLarge,
    /// Another gateway has it open.
    OtherGateway,
    /// It would have to be rebuilt, but someone has it open.
    InUse(Flaw),
    /// As many have it open as can.
    TooManyHandles,
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the limits file: {error}"),
            Self::NotAFile => f.write_str("the limits file is no regular file"),
            Self::TooLarge => f.write_str("the limits file would be larger than 64 GiB"),
            Self::OtherGateway => f.write_str("another gateway has the limits file open"),
            Self::InUse(flaw) => write!(f, "the limits file is in use and cannot be rebuilt: {flaw}"),
            Self::TooManyHandles => write!(f, "the limits file is open {HANDLES} times already"),
        }
    }
}

impl std::error::Error for OpenError {}

/// The limits of one gateway, for one thread: each worker opens its own. A process that forks must not use it on both
/// sides. If the file is cut short, overwritten or taken away while it is open, no process ends by that, but what is
/// decided from then on counts nowhere: the caller asks `intact` after each decision and `current` now and then, and
/// opens the file anew if either says no.
pub struct Limits {
    path: PathBuf,
    mapping: Mapping,
    layout: Layout,
    secret: [u64; 2],
    handle: usize,
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret stays out of logs.
        f.debug_struct("Limits").field("layout", &self.layout).field("handle", &self.handle).finish_non_exhaustive()
    }
}

impl Limits {
    /// Opens the file, waiting while another process is opening it. The caller logs `Rebuilt`.
    pub fn open(path: &Path, options: &Options) -> Result<(Self, Opened), OpenError> {
        let layout = Layout::for_capacities(options.keys, options.replays).ok_or(OpenError::TooLarge)?;
        // Not truncated: what it holds is what this crate is for. Not readable by others: it holds a secret.
        // Not blocking: a pipe would wait for a writer.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)?;
        if !file.metadata()?.is_file() {
            return Err(OpenError::NotAFile);
        }
        mapping::wait_lock(&file, GATE, Lock::Exclusive)?;
        let alone = mapping::try_lock(&file, ATTACHED, Lock::Exclusive)?;
        if !alone && !mapping::try_lock(&file, ATTACHED, Lock::Shared)? {
            return Err(OpenError::OtherGateway);
        }
        let (secret, opened) = match read(&file, &layout)? {
            Ok(header) => {
                // A file that was copied here may have holes, which a full disk could not fill.
                mapping::reserve(&file, layout.bytes())?;
                (header.secret, Opened::Kept)
            }
            Err(None) if alone => (build(&file, &layout)?, Opened::Created),
            Err(Some(flaw)) if alone => (build(&file, &layout)?, Opened::Rebuilt(flaw)),
            Err(flaw) => return Err(OpenError::InUse(flaw.unwrap_or(Flaw::Length))),
        };
        let handle = claim_handle(&file)?;
        let mapping = Mapping::new(file.try_clone()?, layout.words())?;
        claim_gateway(mapping.words(), alone, options.gateway)?;
        txn::inherit(mapping.words(), handle);
        if alone {
            mapping::try_lock(&file, ATTACHED, Lock::Shared)?;
        }
        mapping::try_lock(&file, GATE, Lock::None)?;
        Ok((Self { path: path.to_owned(), mapping, layout, secret, handle }, opened))
    }

    /// Whether what is mapped is still the file. False: it was cut short or overwritten, and what was decided since then
    /// means nothing. Costs no system call.
    pub fn intact(&self) -> bool {
        !self.mapping.torn() && u64::from_le(self.words()[0].load(Relaxed)) == MAGIC
    }

    /// Whether the file is still the one that is at its path, whole, and with the same header. Two system calls.
    pub fn current(&self) -> bool {
        let (Ok(ours), Ok(there)) = (self.mapping.file().metadata(), fs::symlink_metadata(&self.path)) else {
            return false;
        };
        let header = self.layout.header(self.secret);
        let same = |word: usize| u64::from_le(self.words()[word].load(Relaxed)) == header[word];
        (ours.dev(), ours.ino()) == (there.dev(), there.ino())
            && ours.len() == self.layout.bytes()
            && (0..GATEWAY_WORD).all(same)
            && self.intact()
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        self.mapping.words()
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn handle(&self) -> usize {
        self.handle
    }

    /// The hash of a rule's key under the file's secret.
    pub(crate) fn key_hash(&self, id: [u64; 2], key: &[u8]) -> KeyHash {
        let hash = SipHasher13::new_with_keys(self.secret[0] ^ id[0], self.secret[1] ^ id[1]).hash(key);
        KeyHash { place: hash.h1, rest: hash.h2 }
    }
}

/// The header, or what is wrong with it; `None` for an empty file.
fn read(file: &File, layout: &Layout) -> io::Result<Result<Header, Option<Flaw>>> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(Err(None));
    }
    let mut bytes = [0; HEADER_WORDS * 8];
    if length < bytes.len() as u64 {
        return Ok(Err(Some(Flaw::Length)));
    }
    file.read_exact_at(&mut bytes, 0)?;
    let mut words = [0; HEADER_WORDS];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = chunk.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    Ok(layout.read_header(&words, length).map_err(Some))
}

/// Empties the file, gives it its size and, last, its header: a build that was cut short is built again.
fn build(file: &File, layout: &Layout) -> io::Result<[u64; 2]> {
    file.set_len(0)?;
    if let Err(error) = mapping::reserve(file, layout.bytes()) {
        // What it got of a disk that is full is given back.
        file.set_len(0)?;
        return Err(error);
    }
    let mut random = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let number = u128::from_le_bytes(random);
    let secret = [number as u64, (number >> 64) as u64];
    let mut bytes = Vec::with_capacity(HEADER_WORDS * 8);
    for word in layout.header(secret) {
        bytes.write_all(&word.to_le_bytes())?;
    }
    file.write_all_at(&bytes, 0)?;
    Ok(secret)
}

fn claim_handle(file: &File) -> Result<usize, OpenError> {
    for handle in 0..HANDLES {
        if mapping::try_lock(file, FIRST_HANDLE + handle, Lock::Exclusive)? {
            return Ok(handle);
        }
    }
    Err(OpenError::TooManyHandles)
}

/// Under the gate, so at most one gateway at a time looks and writes. 0 is nobody's.
fn claim_gateway(words: &[AtomicU64], alone: bool, gateway: Option<u64>) -> Result<(), OpenError> {
    let mine = gateway.unwrap_or(0);
    let theirs = words[GATEWAY_WORD].load(Acquire);
    if !alone && theirs != mine {
        return Err(OpenError::OtherGateway);
    }
    let _ = words[GATEWAY_WORD].compare_exchange(theirs, mine, AcqRel, Acquire);
    Ok(())
}
