//! Which code hashes a row of seconds: chosen once, at run time, by what the processor has. Every choice is public so
//! that tests and benchmarks can force it; [`Kernel::available`] lists those that may be forced here.

use super::{
    Hash, lanes,
    scan::{self, Found},
    template::Template,
};

/// A way to hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Path);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// SHA-NI for SHA-256, AVX2 for the rest.
    #[cfg(target_arch = "x86_64")]
    ShaNi,
}

impl Kernel {
    /// Any processor.
    pub const PORTABLE: Self = Self(Path::Portable);

    /// Those that this processor has, the fastest last. A `Kernel` cannot be got otherwise, so holding one is the proof
    /// that its instructions exist.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)] // Reason: other processors have only the portable one.
        let mut all = vec![Self::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            all.push(Self(Path::Avx2));
            if is_x86_feature_detected!("sha")
                && is_x86_feature_detected!("sse4.1")
                && is_x86_feature_detected!("ssse3")
            {
                all.push(Self(Path::ShaNi));
            }
        }
        all
    }

    /// The fastest.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::PORTABLE)
    }

    /// For logs.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Path::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Path::ShaNi => "sha-ni",
        }
    }

    /// How many seconds it hashes at a time.
    pub(super) const fn lanes(self, hash: Hash) -> usize {
        match (self.0, hash) {
            (Path::Portable, _) => 1,
            #[cfg(target_arch = "x86_64")]
            (Path::ShaNi, Hash::Sha256) => super::sha_ni::STREAMS,
            #[cfg(target_arch = "x86_64")]
            _ => 8,
        }
    }

    /// The tags of as many seconds as `out` is long, from `first` on.
    pub(super) fn tags(self, template: &Template, first: u64, out: &mut [u32]) {
        match (self.0, template.hash) {
            (Path::Portable, _) => lanes::portable(template, first, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel of this path exists only where SHA, SSE4.1 and SSSE3 were detected.
            (Path::ShaNi, Hash::Sha256) => unsafe { super::sha_ni::tags(template, first, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel of these paths exists only where AVX2 was detected.
            (Path::Avx2 | Path::ShaNi, _) => unsafe { lanes::avx2(template, first, out) },
        }
    }

    #[inline]
    pub(super) fn scan(self, tags: &[u16], wanted: u16) -> Found {
        match self.0 {
            Path::Portable => scan::portable(tags, wanted),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a kernel of these paths exists only where AVX2 was detected.
            Path::Avx2 | Path::ShaNi => unsafe { scan::avx2(tags, wanted) },
        }
    }
}
