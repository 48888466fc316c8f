//! Outside text into bytes, strictly: one text for one value wherever the scheme allows it. Go's and JavaScript's
//! parsers take a good beginning and ignore the rest; Tyk accepted valid hex with garbage after it for years.

/// Exactly `N` bytes of hex, either case, nothing else.
pub fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    let mut wrong = 0;
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
        wrong |= high | low;
        *byte = high << 4 | (low & 15);
    }
    if wrong & 0x80 == 0 { Some(out) } else { None }
}

/// Value of each hex digit; the high bit marks every other byte.
const NIBBLES: [u8; 256] = {
    let mut table = [0x80; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        table[b"0123456789ABCDEF"[value as usize] as usize] = value;
        value += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_exact() {
        assert_eq!(hex(b"00fFa9"), Some([0, 255, 0xa9]));
        for wrong in
            [&b""[..], b"00ffa", b"00ffa90", b"00ffa9zz", b"00ffag", b"00ff a", b"0x00ff", b"00ff\0\0", b"\xff0ff00"]
        {
            assert_eq!(hex::<3>(wrong), None, "{wrong:?}");
        }
    }
}
