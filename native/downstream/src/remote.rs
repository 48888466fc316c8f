//! The client's address as text, made once per connection from what `accept4` returned.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest text: an IPv6 address in full.
const TEXT_BYTES: usize = 46;

/// Address and port of a client; empty for unix sockets.
#[derive(Clone, Copy, Debug)]
pub struct Remote {
    text: [u8; TEXT_BYTES],
    length: u8,
    /// 0 for unix sockets.
    pub port: u16,
}

impl Remote {
    /// An unknown address: unix sockets.
    pub const NONE: Self = Self { text: [0; TEXT_BYTES], length: 0, port: 0 };

    /// IPv4.
    pub fn v4(address: Ipv4Addr, port: u16) -> Self {
        let mut remote = Self { port, ..Self::NONE };
        // Cannot fail: 46 bytes hold any address.
        let _ = write!(remote, "{address}");
        remote
    }

    /// IPv6; an IPv4-mapped address (what a `::` listener sees) is shown as IPv4.
    pub fn v6(address: Ipv6Addr, port: u16) -> Self {
        if let Some(mapped) = address.to_ipv4_mapped() {
            return Self::v4(mapped, port);
        }
        let mut remote = Self { port, ..Self::NONE };
        let _ = write!(remote, "{address}");
        remote
    }

    /// Without brackets and port.
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    /// As [`Remote::text`], for callers that need no `str`: checking it costs more than all else here.
    pub fn bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }
}

impl std::fmt::Write for Remote {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        let start = usize::from(self.length);
        let room = self.text.get_mut(start..start + part.len()).ok_or(std::fmt::Error)?;
        room.copy_from_slice(part.as_bytes());
        self.length += part.len() as u8;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_clients_know_them() {
        let v6 = |text: &str| Remote::v6(text.parse().unwrap(), 7);
        assert_eq!(Remote::v4(Ipv4Addr::LOCALHOST, 80).text(), "127.0.0.1");
        assert_eq!(v6("::1").text(), "::1");
        assert_eq!(v6("::ffff:192.0.2.1").text(), "192.0.2.1");
        let longest = "1111:2222:3333:4444:5555:6666:7777:8888";
        assert_eq!((v6(longest).text(), v6(longest).port), (longest, 7));
        assert_eq!(Remote::NONE.text(), "");
    }
}
