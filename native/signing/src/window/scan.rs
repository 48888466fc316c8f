//! Looks a tag up among all of them. Every tag is read and compared, whatever was found before: the time says nothing
//! about where it is, nor whether.

#![allow(clippy::inline_always)] // Reason: what is not inlined into `avx2` would be compiled without it.

/// What one pass found: how many tags are equal, and the index of the last of them when it is one. More than one is a
/// chance of 1 in 100 a request; [`nth`] then tells them apart.
#[derive(Clone, Copy)]
pub struct Found {
    pub count: u32,
    pub index: usize,
}

#[inline(always)]
fn pass(tags: &[u16], wanted: u16) -> Found {
    // Sixteen bits for all, so that a register holds as many as it can: there are far fewer tags than that counts.
    let (mut count, mut indices) = (0_u16, 0_u16);
    for (index, tag) in tags.iter().enumerate() {
        let equal = u16::from(*tag == wanted);
        count += equal;
        indices |= equal.wrapping_neg() & index as u16;
    }
    Found { count: u32::from(count), index: usize::from(indices) }
}

pub fn portable(tags: &[u16], wanted: u16) -> Found {
    pass(tags, wanted)
}

/// The same text, compiled for sixteen lanes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub fn avx2(tags: &[u16], wanted: u16) -> Found {
    pass(tags, wanted)
}

/// The index of the `n`th equal tag, from 0.
pub fn nth(tags: &[u16], wanted: u16, n: u32) -> Option<usize> {
    tags.iter().enumerate().filter(|(_, tag)| **tag == wanted).nth(n as usize).map(|(index, _)| index)
}
