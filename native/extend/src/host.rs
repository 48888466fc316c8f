//! What a plugin may ask of the gateway besides the message itself. Implemented by the addon; each runtime's host hands it
//! on in its own language.

use crate::Hook;

/// How loud a plugin's log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // Reason: the names are those of the log.
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// All of them, quietest first.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// As plugins and the log write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// A line that a plugin wrote. Outside of a call (while the plugin is loaded) there is no hook, and the texts are empty.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'a> {
    /// How loud.
    pub level: Level,
    /// What the plugin wrote: any bytes, cut at [`LogLine::MAX_MESSAGE_BYTES`].
    pub message: &'a [u8],
    /// During which call.
    pub hook: Option<Hook>,
    /// The request's route.
    pub route: &'a [u8],
    /// The request.
    pub request_id: &'a [u8],
}

impl LogLine<'_> {
    /// A longer message is cut.
    pub const MAX_MESSAGE_BYTES: usize = 4096;
}

/// The gateway, as a plugin's host sees it.
pub trait Host {
    /// Takes a line. Called while the plugin runs: it must be quick, and must not call the plugin.
    fn log(&self, line: &LogLine<'_>);
}
