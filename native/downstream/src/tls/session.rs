//! One connection's TLS, behind the `recv` and `send` that the front end calls: same arguments, same results, same errno.
//!
//! Output is never owed silently. While the kernel has not taken all ciphertext of a `send`, its last byte is reported
//! as not sent: so the front end waits until the socket is writable and gives that byte again, which lets the rest go.
//! What it does at the end of a response (close, timers, the next message) therefore happens when all has left.

use polygate_certificates::ClientCertificate;
use rustls::{ServerConfig, ServerConnection};
use std::cell::OnceCell;
use std::io::{self, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

/// Plain text that is encrypted at once; the kernel's send buffer seldom takes more.
const WRITE_BYTES: usize = 64 * 1024;
/// A whole record (RFC 8446 5.2), so that a small `space` does not mean many small reads.
const RECORD_BYTES: usize = 16 * 1024 + 256 + 5;
/// RFC 8446 5.1: the type of a record that may open a connection. No HTTP method begins with it.
const HANDSHAKE: u8 = 0x16;

/// The kernel's side, non-blocking. An error's `raw_os_error` is what the front end is told.
pub trait Socket {
    /// `recv`
    fn receive(&mut self, space: &mut [u8]) -> io::Result<usize>;
    /// `sendmsg`
    fn send(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// TLS state of one connection.
pub struct Session {
    connection: ServerConnection,
    /// Plain text that a `receive` had no room for.
    plain: Vec<u8>,
    plain_start: usize,
    /// The first byte of the next `send` has been sent already.
    owed: bool,
    spoken: Spoken,
    ended: bool,
    /// Read when it is asked for first: most connections are never asked.
    certificate: OnceCell<Option<Rc<ClientCertificate>>>,
}

/// What the client's first byte has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    Nothing,
    Tls,
    SomethingElse,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("owed", &self.owed).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Session {
    /// Of a connection that has just been accepted.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let mut connection = ServerConnection::new(config)?;
        // What is given to it is encrypted at once and taken by the kernel or owed: bounded by `WRITE_BYTES`.
        connection.set_buffer_limit(None);
        Ok(Self {
            connection,
            plain: Vec::new(),
            plain_start: 0,
            owed: false,
            spoken: Spoken::Nothing,
            ended: false,
            certificate: OnceCell::new(),
        })
    }

    /// The client's certificate, verified in this handshake or, where the session is resumed, in its first. To be asked
    /// for after the handshake. None: it has shown none, or one that cannot be read.
    pub fn client_certificate(&self) -> Option<&Rc<ClientCertificate>> {
        let read = || ClientCertificate::read(self.connection.peer_certificates()?.first()?).map(Rc::new);
        self.certificate.get_or_init(read).as_ref()
    }

    /// Plain text is kept of which the kernel knows nothing.
    pub fn has_plain(&self) -> bool {
        self.plain_start < self.plain.len()
    }

    /// TLS itself has something to say that the kernel did not take. The front end would not wait for that.
    pub fn is_stuck(&self) -> bool {
        self.connection.wants_write() && !self.owed
    }

    /// What came is no TLS: the client is to be answered in plain text.
    pub fn is_foreign(&self) -> bool {
        self.spoken == Spoken::SomethingElse
    }

    /// `recv`: 0 at the end of the stream. `scratch` holds ciphertext only during the call.
    pub fn receive(&mut self, socket: &mut impl Socket, scratch: &mut [u8], space: &mut [u8]) -> io::Result<usize> {
        if self.has_plain() {
            return Ok(self.take_plain(space));
        }
        if self.ended {
            return Ok(0);
        }
        let limit = scratch.len().min(space.len().max(RECORD_BYTES));
        let count = socket.receive(&mut scratch[..limit])?;
        if count == 0 {
            // HTTP frames its messages by itself: a missing close_notify cuts nothing short unnoticed.
            return Ok(0);
        }
        if self.spoken == Spoken::Nothing {
            self.spoken = if scratch[0] == HANDSHAKE { Spoken::Tls } else { Spoken::SomethingElse };
        }
        if self.spoken == Spoken::SomethingElse {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut cipher = &scratch[..count];
        let mut taken = 0;
        while !cipher.is_empty() && !self.ended {
            self.connection.read_tls(&mut cipher)?;
            let processed = self.connection.process_new_packets();
            // Handshake messages, key updates, or the alert that says why it ends here.
            self.flush(socket)?;
            if let Err(error) = processed {
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
            taken += self.decrypted(&mut space[taken..])?;
        }
        match (taken, self.ended) {
            (0, false) => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(taken),
        }
    }

    /// Moves plain text out of rustls, what does not fit `space` aside: rustls takes no more while it holds some.
    fn decrypted(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut taken = 0;
        let mut more = [0; 4096];
        loop {
            let fits = taken < space.len();
            let into = if fits { &mut space[taken..] } else { &mut more[..] };
            match self.connection.reader().read(into) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(taken);
                }
                Ok(count) if fits => taken += count,
                Ok(count) => self.plain.extend_from_slice(&more[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
                Err(error) => return Err(error),
            }
        }
    }

    fn take_plain(&mut self, space: &mut [u8]) -> usize {
        let kept = &self.plain[self.plain_start..];
        let count = kept.len().min(space.len());
        space[..count].copy_from_slice(&kept[..count]);
        self.plain_start += count;
        if !self.has_plain() {
            // Idle connections keep no buffer.
            self.plain = Vec::new();
            self.plain_start = 0;
        }
        count
    }

    /// `send`: how many of `bytes` need not be given again.
    pub fn send(&mut self, socket: &mut impl Socket, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if !self.flush(socket)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut taken = usize::from(std::mem::take(&mut self.owed));
        while taken < bytes.len() {
            let end = bytes.len().min(taken + WRITE_BYTES);
            taken += self.connection.writer().write(&bytes[taken..end])?;
            if !self.flush(socket)? {
                self.owed = true;
                taken -= 1;
                return if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) };
            }
        }
        Ok(taken)
    }

    /// [`Session::send`] of several parts in a row: what is not taken of one ends it.
    pub fn send_parts(&mut self, socket: &mut impl Socket, parts: &[&[u8]]) -> io::Result<usize> {
        let mut total = 0;
        for part in parts {
            match self.send(socket, part) {
                Ok(count) => {
                    total += count;
                    if count < part.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && total > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    /// Says that nothing more will be sent. A client that does not hear it learns the same from the socket's end.
    pub fn end(&mut self, socket: &mut impl Socket) {
        self.connection.send_close_notify();
        drop(self.flush(socket));
    }

    /// Gives the kernel what it takes. Whether that was all.
    pub fn flush(&mut self, socket: &mut impl Socket) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Sender(socket)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

struct Sender<'a, S>(&'a mut S);

impl<S: Socket> Write for Sender<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.send(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
