//! Bytes on their way to the front end, edited in place: some are left out, a target is put into origin form.

use memchr::memchr;

/// Bytes that are moved towards the front while some are left out.
pub struct Edit<'a> {
    pub bytes: &'a mut [u8],
    pub read: usize,
    pub written: usize,
}

impl Edit<'_> {
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    /// Delivers up to `count` bytes; returns how many there were.
    pub fn keep(&mut self, count: u64) -> u64 {
        let available = self.bytes.len() - self.read;
        let taken = usize::try_from(count).map_or(available, |count| count.min(available));
        if self.read != self.written {
            self.bytes.copy_within(self.read..self.read + taken, self.written);
        }
        self.read += taken;
        self.written += taken;
        taken as u64
    }

    /// Delivers a head of `length` bytes, its target in origin form (RFC 9112 3.2.1): the front end knows no other.
    pub fn keep_head(&mut self, length: usize) {
        let end = self.read + length;
        let head = &mut self.bytes[self.read..end];
        let line = memchr(b'\n', head).unwrap_or(0);
        if let Some(space) = memchr(b' ', &head[..line]) {
            let target = space + 1;
            if head[target..line].starts_with(b"* ") {
                head[target] = b'/';
            } else if let Some(origin) = origin_start(&head[target..line]) {
                let resume = if head[target + origin] == b'/' {
                    target + origin
                } else {
                    // `http://host?query` and `http://host`: the scheme leaves room for the `/` that is missing.
                    head[target + origin - 1] = b'/';
                    target + origin - 1
                };
                self.keep(target as u64);
                self.read += resume - target;
            }
        }
        self.keep((end - self.read) as u64);
    }
}

/// Offset of path, query or space behind `http://authority`; None for any other target.
fn origin_start(target: &[u8]) -> Option<usize> {
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
    let authority = &target[scheme.len()..];
    let end = authority.iter().position(|byte| matches!(byte, b'/' | b'?' | b' '))?;
    (end > 0).then_some(scheme.len() + end)
}
