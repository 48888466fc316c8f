//! Bytes of a response that the kernel has not taken yet.

/// A queue of bytes. Empty it holds no memory.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Outbox {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// So many have left.
    pub fn sent(&mut self, count: usize) {
        self.start += count;
        if self.start >= self.bytes.len() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_and_the_memory_with_the_last() {
        let mut outbox = Outbox::default();
        outbox.push(b"abcdef");
        outbox.sent(4);
        outbox.push(b"ghi");
        assert_eq!(outbox.unsent(), b"efghi");
        outbox.sent(2);
        assert_eq!(outbox.unsent(), b"ghi");
        outbox.sent(3);
        assert!(outbox.is_empty() && outbox.bytes.capacity() == 0);
    }
}
