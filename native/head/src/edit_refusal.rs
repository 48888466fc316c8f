//! Why an edit of a request or a response was refused. The numbers are what JS and the C interface see;
//! `ts/shared/native-edits.ts` and `plugins/contract/polygate_plugin.h` hold the same table.

/// A reason to refuse an edit. `code()` is stable within one version of the plugin interface and never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // Reason: `detail` says for each what it means.
pub enum EditRefusal {
    BadName = 1,
    FixedName = 2,
    HostAsHeader = 3,
    BadValue = 4,
    BadPath = 5,
    UnsafePath = 6,
    BadQuery = 7,
    BadMethod = 8,
    FixedMethod = 9,
    BadHost = 10,
    TooMuch = 11,
    BadStatus = 12,
    NoBody = 13,
    BadContext = 14,
    BadConsumer = 15,
    BadUpstream = 16,
    NotInThisHook = 17,
}

impl EditRefusal {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 17] = [
        Self::BadName,
        Self::FixedName,
        Self::HostAsHeader,
        Self::BadValue,
        Self::BadPath,
        Self::UnsafePath,
        Self::BadQuery,
        Self::BadMethod,
        Self::FixedMethod,
        Self::BadHost,
        Self::TooMuch,
        Self::BadStatus,
        Self::NoBody,
        Self::BadContext,
        Self::BadConsumer,
        Self::BadUpstream,
        Self::NotInThisHook,
    ];

    /// The number that crosses to other languages, 1 and up.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// What the plugin's author reads about it.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::BadName => "the header's name is no token of letters, digits and !#$%&'*+-.^_`|~",
            Self::FixedName => {
                "the header frames the message or speaks of the connection, and only the gateway writes it"
            }
            Self::HostAsHeader => "the host is not edited as a header: it has a call of its own",
            Self::BadValue => "the header's value has a control character, or white space at its ends",
            Self::BadPath => "the path does not begin with / or has a character that must be percent-encoded",
            Self::UnsafePath => "the path climbs above its root, or has a broken escape, a NUL or hidden dots",
            Self::BadQuery => "the query has a character that must be percent-encoded",
            Self::BadMethod => "the method is not a token of 1 to 32 characters, or it is CONNECT",
            Self::FixedMethod => "the method of HEAD, of a WebSocket and of OPTIONS * stays, and no other becomes HEAD",
            Self::BadHost => "the host is not a valid host name or address with an optional port",
            Self::TooMuch => "the edits of this message are too many, or too large",
            Self::BadStatus => "the status is not between 200 and 599",
            Self::NoBody => "the plugin has not asked for this body",
            Self::BadContext => "the name or the value in the context is too long, or the name is empty",
            Self::BadConsumer => "no consumer has this name",
            Self::BadUpstream => "no upstream has this name",
            Self::NotInThisHook => "this cannot be done in this hook",
        }
    }
}

impl std::fmt::Display for EditRefusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.detail())
    }
}

impl std::error::Error for EditRefusal {}
