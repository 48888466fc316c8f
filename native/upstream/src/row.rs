//! What a turn hands over: rows of [`ROW_INTS`] integers, their bytes in the slab. The numbers here are those of
//! `ts/shared/native.ts`; a change in one is a change in both.

/// Integers of one row.
pub const ROW_INTS: usize = 12;

/// Bits of a row's `kind`.
pub mod kind {
    /// Status and header lines are in this row.
    pub const HEAD: i32 = 1;
    /// Body bytes are in this row.
    pub const DATA: i32 = 2;
    /// The response is complete; the ticket is dead.
    pub const END: i32 = 4;
    /// The request failed; the ticket is dead.
    pub const ERROR: i32 = 8;
    /// Body bytes given with `write` have gone out.
    pub const DRAIN: i32 = 16;
    /// All header bytes are ASCII.
    pub const ASCII_HEAD: i32 = 32;
    /// All body bytes of this row are ASCII. Only looked for in bodies of at most 16 KiB a row.
    pub const ASCII_BODY: i32 = 64;
    /// The row's `length` is set.
    pub const LENGTH: i32 = 128;
    /// No body comes whatever the headers say.
    pub const BODILESS: i32 = 256;
    /// 101 to a request that asked for it: raw bytes both ways from now on.
    pub const UPGRADED: i32 = 512;
}

/// Bits of `flags` at submit.
pub mod flag {
    /// The method is HEAD.
    pub const HEAD: u32 = 1;
    /// May be sent again when a reused connection was closed before any byte came back.
    pub const REPLAYABLE: u32 = 2;
    /// An upgrade is asked for: 101 is passed on.
    pub const UPGRADE: u32 = 4;
}

/// Bits of a failed row's `attempt`.
pub mod attempt {
    /// Not one byte of the request had been given to the kernel.
    pub const NOTHING_SENT: i32 = 1;
    /// Not one byte of a response had come.
    pub const NOTHING_RECEIVED: i32 = 2;
    /// The connection had served a request before.
    pub const REUSED: i32 = 4;
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Reason {
    /// Nobody listens.
    Refused = 1,
    /// No way to the address.
    Unreachable = 2,
    /// No connection (or no free one) in time.
    ConnectTimeout = 3,
    /// The handshake or a record failed.
    Tls = 4,
    /// The peer reset the connection.
    Reset = 5,
    /// The peer closed the connection before the response was complete.
    Closed = 6,
    /// The request was sent and no response head came in time.
    ResponseTimeout = 7,
    /// No byte in either direction for too long.
    IdleTimeout = 8,
    /// Not an HTTP/1.x response that RFC 9112 allows.
    BadResponse = 9,
    /// The response head is larger than the limit.
    HeadTooLarge = 10,
    /// All connections are busy and the waiting queue is full.
    PoolFull = 11,
    /// No endpoint of this id.
    NoEndpoint = 12,
    /// The client's state was lost to a panic.
    ClientPanic = 13,
    /// The client was closed.
    ClientClosed = 14,
    /// No file descriptor (or no memory for one) is left.
    DescriptorLimit = 15,
    /// `write` gave more or fewer bytes than the request's head announced.
    BodyMismatch = 16,
}

/// One row before it is written.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub tag: i32,
    pub kind: i32,
    pub status: i32,
    pub head: (usize, usize),
    pub body: (usize, usize),
    pub length: u64,
    pub reason: i32,
    pub elapsed_us: u64,
    pub attempt: i32,
}

/// Rows and slab of one turn. Offsets given to [`Batch::push`] are relative to the free part of the slab.
pub(crate) struct Batch<'a> {
    slab: &'a mut [u8],
    used: usize,
    rows: &'a mut [i32],
    count: usize,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(slab: &'a mut [u8], rows: &'a mut [i32]) -> Self {
        Self { slab, used: 0, rows, count: 0 }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn has_row(&self) -> bool {
        (self.count + 1) * ROW_INTS <= self.rows.len()
    }

    /// The part of the slab that no row of this batch points to.
    pub(crate) fn free(&mut self) -> &mut [u8] {
        &mut self.slab[self.used..]
    }

    /// Writes a row and takes the first `bytes` of the free part for it. The caller checked [`Batch::has_row`].
    pub(crate) fn push(&mut self, row: &Row, bytes: usize) {
        let start = self.count * ROW_INTS;
        let Some(out) = self.rows.get_mut(start..start + ROW_INTS) else { return };
        out[0] = row.tag;
        out[1] = row.kind;
        out[2] = row.status;
        out[3] = (self.used + row.head.0) as i32;
        out[4] = row.head.1 as i32;
        out[5] = (self.used + row.body.0) as i32;
        out[6] = row.body.1 as i32;
        out[7] = row.length as i32;
        out[8] = (row.length >> 32) as i32;
        out[9] = row.reason;
        out[10] = row.elapsed_us.min(i32::MAX as u64) as i32;
        out[11] = row.attempt;
        self.count += 1;
        self.used += bytes;
    }
}
