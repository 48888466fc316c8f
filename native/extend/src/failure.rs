//! How a call of a plugin failed. The same for each runtime, so that the log and the metrics know one table.

/// Why; a label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCause {
    /// The plugin raised an error, made an edit that was refused, or returned what no hook may return.
    Error,
    /// The call had passed its deadline.
    Deadline,
    /// The plugin had used up its memory. Its state was thrown away; the next call gets a new one.
    Memory,
    /// The plugin could not be built anew after it had lost its state.
    Unavailable,
}

impl FailureCause {
    /// As the metrics and the log write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A call that failed. For the log only: clients see neither text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub cause: FailureCause,
    /// One line, with the place in the plugin where it is known.
    pub reason: String,
    /// The plugin's own stack, a frame a line; empty where there is none.
    pub stack: String,
}

impl Failure {
    /// Of a reason, and of a stack.
    pub const MAX_BYTES: usize = 4096;

    /// A failure without a stack.
    pub fn new(cause: FailureCause, reason: impl Into<String>) -> Self {
        Self { cause, reason: reason.into(), stack: String::new() }
    }

    /// With no more of reason and stack than [`Failure::MAX_BYTES`] each: a plugin writes them.
    #[must_use]
    pub fn cut(mut self) -> Self {
        for text in [&mut self.reason, &mut self.stack] {
            let end = (0..=text.len().min(Self::MAX_BYTES)).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
        }
        self
    }

    /// The reason, and the stack below it.
    pub fn into_text(self) -> String {
        if self.stack.is_empty() { self.reason } else { self.reason + "\n" + &self.stack }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}
