//! The file as the kernel sees it: mapped memory and locks. `open.rs` is the only caller. Nothing here knows what the
//! words mean. What happens when the file is cut short under a mapping: `torn.rs`.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::AtomicU64;

use crate::torn::Watched;

/// A shared mapping of a whole file. It owns the file: its locks last as long as the mapping.
pub(crate) struct Mapping {
    start: NonNull<AtomicU64>,
    words: usize,
    watched: Watched,
    file: File,
}

// SAFETY: the memory is shared between processes anyway and only reached through atomics; the pointer is owned by this
// value and unmapped when it is dropped.
unsafe impl Send for Mapping {}

impl Mapping {
    /// The file must be `words * 8` bytes long.
    pub(crate) fn new(file: File, words: usize) -> Result<Self> {
        // SAFETY: a fresh mapping at an address of the kernel's choice overlaps nothing of ours; the descriptor is open.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                words * 8,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        let start: NonNull<AtomicU64> =
            NonNull::new(start.cast()).ok_or_else(|| Error::from(ErrorKind::OutOfMemory))?;
        let Some(watched) = Watched::begin(start.as_ptr() as usize, words * 8) else {
            // SAFETY: the range that was just mapped, and nobody has a reference into it.
            unsafe { libc::munmap(start.as_ptr().cast(), words * 8) };
            return Err(Error::from(ErrorKind::OutOfMemory));
        };
        Ok(Self { start, words, watched, file })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The file was cut short, or its disk failed: what is mapped now is memory of this process alone.
    pub(crate) fn torn(&self) -> bool {
        self.watched.torn()
    }

    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: `start` is page-aligned and mapped for `words` words until this value is dropped, which the returned
        // lifetime forbids. Every process reaches these words through atomics only, and every bit pattern is valid.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.watched.end();
        // SAFETY: exactly the range that `new` mapped, once; no slice of it outlives this value.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.words * 8) };
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    Shared,
    Exclusive,
    None,
}

/// Locks one byte of the file for this opening of it (an "open file description" lock: the kernel drops it when the
/// last descriptor goes, however the process ends). `false`: someone else holds it.
pub(crate) fn try_lock(file: &File, byte: usize, lock: Lock) -> Result<bool> {
    match set_lock(file, byte, lock, libc::F_OFD_SETLK) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits until the byte can be locked.
pub(crate) fn wait_lock(file: &File, byte: usize, lock: Lock) -> Result<()> {
    loop {
        match set_lock(file, byte, lock, libc::F_OFD_SETLKW) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn set_lock(file: &File, byte: usize, lock: Lock, command: libc::c_int) -> Result<()> {
    let kind = match lock {
        Lock::Shared => libc::F_RDLCK,
        Lock::Exclusive => libc::F_WRLCK,
        Lock::None => libc::F_UNLCK,
    };
    let range = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte as libc::off_t,
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open for the call, and the structure lives until it returns.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const range) } {
        -1 => Err(Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Takes the file's blocks from the file system now: a full disk is an error here and no SIGBUS later.
pub(crate) fn reserve(file: &File, bytes: u64) -> Result<()> {
    let length = libc::off_t::try_from(bytes).map_err(|_| Error::from(ErrorKind::FileTooLarge))?;
    loop {
        // SAFETY: a plain system call on an open descriptor.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) } {
            0 => return Ok(()),
            libc::EINTR => {}
            code => return Err(Error::from_raw_os_error(code)),
        }
    }
}
