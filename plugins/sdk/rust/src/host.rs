//! What the gateway offers a plugin besides the messages.

use polygate_plugin_abi as abi;

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)] // Reason: the names are those of the log.
pub enum Level {
    Debug = abi::level::DEBUG,
    Info = abi::level::INFO,
    Warn = abi::level::WARN,
    Error = abi::level::ERROR,
}

/// The gateway. Keep a clone to write to its log later; it belongs to the instance's thread.
#[derive(Clone, Debug)]
pub struct Host {
    // A pointer also keeps it on its thread: it is neither Send nor Sync.
    table: *const abi::Host,
}

impl Host {
    /// # Safety
    /// The table is the gateway's, and stays there until the instance is destroyed.
    pub(crate) const unsafe fn new(table: *const abi::Host) -> Self {
        Self { table }
    }

    /// A line for the gateway's log, which names the plugin, the hook, the route and the request.
    pub fn log(&self, level: Level, message: impl AsRef<[u8]>) {
        // SAFETY: the table is there for as long as the instance, whose thread this is.
        unsafe { ((*self.table).log)(self.table, level as u32, abi::Text::of(message.as_ref())) };
    }

    /// For whoever hunts a fault.
    pub fn debug(&self, message: impl AsRef<[u8]>) {
        self.log(Level::Debug, message);
    }

    /// Worth knowing.
    pub fn info(&self, message: impl AsRef<[u8]>) {
        self.log(Level::Info, message);
    }

    /// Should be looked at.
    pub fn warn(&self, message: impl AsRef<[u8]>) {
        self.log(Level::Warn, message);
    }

    /// Is wrong.
    pub fn error(&self, message: impl AsRef<[u8]>) {
        self.log(Level::Error, message);
    }

    pub(crate) fn refuse(&self, reason: &str) {
        // SAFETY: as above; called in `create` alone.
        unsafe { ((*self.table).refuse)(self.table, abi::Text::of(reason.as_bytes())) };
    }
}
