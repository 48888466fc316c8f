//! A loop around the client, and peers: threads that accept real connections and play a script on them.
// Reason: each test binary uses a part of this.
#![allow(dead_code)]
// Reason: threads of tests have the stack for their buffers; what was expected and did not come is the failure.
#![allow(clippy::large_stack_arrays, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use polygate_upstream::row::{ROW_INTS, kind};
use polygate_upstream::{Address, Client, EndpointOptions, Framing, Reason};

/// Longer than anything here takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nServer: s\r\nContent-Length: 5\r\n\r\nhello";

#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub tag: i32,
    pub kind: i32,
    pub status: i32,
    pub head: String,
    pub body: Vec<u8>,
    pub length: u64,
    pub reason: i32,
    pub attempt: i32,
    pub elapsed_us: i32,
}

impl Seen {
    pub fn has(&self, bits: i32) -> bool {
        self.kind & bits == bits
    }
}

pub struct Driver {
    pub client: Client,
    pub slab: Vec<u8>,
    pub rows: Vec<i32>,
    pub seen: Vec<Seen>,
    /// Rows of the largest batch.
    pub largest: usize,
}

impl Driver {
    pub fn new() -> Self {
        Self::with_room(1 << 20, 64)
    }

    /// With one endpoint: a peer at the address.
    pub fn facing(address: SocketAddr) -> (Self, u32) {
        let mut driver = Self::new();
        let id = driver.client.add_endpoint(&options(address)).expect("an endpoint");
        (driver, id)
    }

    pub fn with_room(slab: usize, rows: usize) -> Self {
        Self {
            client: Client::new(b"\r\nvia: 1.1 test").expect("a descriptor"),
            slab: vec![0; slab],
            rows: vec![0; rows * ROW_INTS],
            seen: Vec::new(),
            largest: 0,
        }
    }

    pub fn get(&mut self, tag: i32, endpoint: u32, flags: u32) -> i32 {
        self.client.submit(tag, endpoint, flags, Framing::None, GET).expect("a ticket")
    }

    /// One turn of the loop: flush, wait for the descriptor or the next deadline, read.
    pub fn turn(&mut self) {
        self.client.flush();
        let now = self.client.now_us();
        let wait = self.client.next_deadline_us().map_or(50, |at| (at.saturating_sub(now) / 1000 + 1).min(50));
        if !self.client.more() {
            let mut poll = libc::pollfd { fd: self.client.fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one entry on this stack, valid for the whole call.
            unsafe { libc::poll(&raw mut poll, 1, wait as i32) };
        }
        self.client.tick();
        loop {
            let count = self.client.turn(&mut self.slab, &mut self.rows);
            self.largest = self.largest.max(count);
            for row in self.rows[..count * ROW_INTS].chunks_exact(ROW_INTS) {
                let slice = |at: i32, length: i32| &self.slab[at as usize..(at + length) as usize];
                self.seen.push(Seen {
                    tag: row[0],
                    kind: row[1],
                    status: row[2],
                    head: slice(row[3], row[4]).iter().map(|byte| *byte as char).collect(),
                    body: slice(row[5], row[6]).to_vec(),
                    length: u64::from(row[7] as u32) | u64::from(row[8] as u32) << 32,
                    reason: row[9],
                    attempt: row[11],
                    elapsed_us: row[10],
                });
            }
            if !self.client.more() {
                break;
            }
        }
    }

    pub fn run_until(&mut self, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "nothing came; seen so far: {:?}", self.seen);
            self.turn();
        }
    }

    /// Runs until `tag` has ended or failed; all its rows in one.
    pub fn finish(&mut self, tag: i32) -> Seen {
        self.run_until(|driver| {
            driver.seen.iter().any(|seen| seen.tag == tag && seen.kind & (kind::END | kind::ERROR) != 0)
        });
        let mut whole = Seen { tag, ..Seen::default() };
        for seen in self.seen.iter().filter(|seen| seen.tag == tag) {
            assert_eq!(whole.kind & (kind::END | kind::ERROR), 0, "a row after the last");
            if seen.has(kind::HEAD) {
                assert_eq!(whole.kind & kind::HEAD, 0, "a second head");
                whole.head.clone_from(&seen.head);
                whole.status = seen.status;
                whole.length = seen.length;
            }
            whole.kind |= seen.kind;
            whole.body.extend_from_slice(&seen.body);
            whole.reason = seen.reason;
            whole.attempt = seen.attempt;
            whole.elapsed_us = seen.elapsed_us;
        }
        self.seen.retain(|seen| seen.tag != tag);
        whole
    }

    pub fn fails(&mut self, tag: i32) -> (Reason, i32) {
        let seen = self.finish(tag);
        assert!(seen.has(kind::ERROR), "no error: {seen:?}");
        (reason(seen.reason), seen.attempt)
    }
}

pub fn reason(number: i32) -> Reason {
    use Reason as R;
    [
        R::Refused,
        R::Unreachable,
        R::ConnectTimeout,
        R::Tls,
        R::Reset,
        R::Closed,
        R::ResponseTimeout,
        R::IdleTimeout,
        R::BadResponse,
        R::HeadTooLarge,
        R::PoolFull,
        R::NoEndpoint,
        R::ClientPanic,
        R::ClientClosed,
        R::DescriptorLimit,
        R::BodyMismatch,
    ][number as usize - 1]
}

pub fn options(address: SocketAddr) -> EndpointOptions {
    EndpointOptions {
        address: Address::Ip(address),
        tls: None,
        connect_timeout_ms: 10_000,
        response_timeout_ms: 10_000,
        idle_timeout_ms: 10_000,
        max_connections: 8,
        max_waiting: 8,
        pool_idle_ms: 10_000,
    }
}

/// One accepted connection, as a script sees it.
pub struct Link {
    pub stream: TcpStream,
    /// How many were accepted before it.
    pub number: usize,
    read: Vec<u8>,
}

impl Link {
    /// Reads up to and including `end`; None when the stream ends first.
    pub fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return Some(self.read.drain(..at + end.len()).collect());
            }
            let mut buffer = [0; 65536];
            match self.stream.read(&mut buffer) {
                Ok(count) if count > 0 => self.read.extend_from_slice(&buffer[..count]),
                _ => return None,
            }
        }
    }

    pub fn head(&mut self) -> Option<Vec<u8>> {
        self.until(b"\r\n\r\n")
    }

    pub fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            let mut buffer = [0; 65536];
            match self.stream.read(&mut buffer) {
                Ok(count) if count > 0 => self.read.extend_from_slice(&buffer[..count]),
                _ => return None,
            }
        }
        Some(self.read.drain(..count).collect())
    }

    pub fn say(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    /// Waits until the client has closed its end.
    pub fn closed(&mut self) {
        let mut buffer = [0; 65536];
        while self.stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
    }

    /// Closes so that the client gets a reset.
    pub fn reset(self) {
        let socket = socket2::Socket::from(self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("linger");
    }
}

/// Plays `script` on each accepted connection, each in a thread of its own.
pub fn peer(script: impl Fn(Link) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let script = std::sync::Arc::new(script);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            stream.set_nodelay(true).expect("nodelay");
            let script = script.clone();
            thread::spawn(move || script(Link { stream, number, read: Vec::new() }));
        }
    });
    address
}

/// Answers every request with `response`, and tells each head it read.
pub fn answering(response: &'static [u8]) -> (SocketAddr, Receiver<(usize, Vec<u8>)>) {
    let (tell, told) = channel();
    let tell = std::sync::Mutex::new(tell);
    let address = peer(move |mut link| {
        while let Some(head) = link.head() {
            drop(tell.lock().expect("not poisoned").send((link.number, head)));
            link.say(response);
        }
    });
    (address, told)
}
