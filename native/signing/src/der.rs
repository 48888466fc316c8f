//! As much of DER (X.690) as keys and signatures here need: elements with a length, in the one form that DER allows.

/// One element of a tag, with a length in DER's shortest form, and what follows it.
pub fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => (rest.first().copied().filter(|length| *length >= 0x80).map(usize::from)?, &rest[1..]),
        0x82 => {
            let (two, rest) = rest.split_first_chunk::<2>()?;
            (Some(usize::from(u16::from_be_bytes(*two))).filter(|length| *length >= 0x100)?, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The two numbers of an ECDSA signature on P-256 (RFC 3279, 2.2.3) as 32 bytes each, which is the form that keys verify.
pub fn ecdsa_p256(der: &[u8]) -> Option<[u8; 64]> {
    let (sequence, nothing) = element(0x30, der)?;
    let (r, rest) = element(0x02, sequence)?;
    let (s, trailing) = element(0x02, rest)?;
    if !nothing.is_empty() || !trailing.is_empty() {
        return None;
    }
    let mut fixed = [0; 64];
    let (first, second) = fixed.split_at_mut(32);
    for (number, slot) in [(r, first), (s, second)] {
        let bytes = positive(number)?;
        let from = slot.len().checked_sub(bytes.len())?;
        slot[from..].copy_from_slice(bytes);
    }
    Some(fixed)
}

/// The bytes of a positive INTEGER, without the zero that keeps it from being a negative one.
fn positive(number: &[u8]) -> Option<&[u8]> {
    match number {
        [0, rest @ ..] => rest.first().is_some_and(|byte| *byte >= 0x80).then_some(rest),
        [byte, ..] if *byte < 0x80 => Some(number),
        _ => None,
    }
}
