//! Why a head was refused. The numbers are what JS sees; `ts/shared/native-heads.ts` holds the same table.

/// A reason to refuse a request head. `code()` is stable within one version and never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // Reason: `detail` says for each what it means, in the words that the client reads.
pub enum Refusal {
    TooManyBytes = 1,
    TooManyHeaders = 2,
    Unfinished = 3,
    BytesAfterHead = 4,
    BadMethod = 5,
    Connect = 6,
    BadTarget = 7,
    TargetForm = 8,
    BadVersion = 9,
    BadLineEnd = 10,
    EmptyName = 11,
    BadName = 12,
    SpaceInName = 13,
    FoldedLine = 14,
    BadValue = 15,
    NoHost = 16,
    TwoHosts = 17,
    BadHost = 18,
    BadLength = 19,
    TwoLengths = 20,
    BadCoding = 21,
    TwoCodings = 22,
    LengthAndCoding = 23,
    BadEscape = 24,
    NulInPath = 25,
    ClimbingPath = 26,
    HiddenDots = 27,
    NotLatin1 = 28,
}

impl Refusal {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 28] = [
        Self::TooManyBytes,
        Self::TooManyHeaders,
        Self::Unfinished,
        Self::BytesAfterHead,
        Self::BadMethod,
        Self::Connect,
        Self::BadTarget,
        Self::TargetForm,
        Self::BadVersion,
        Self::BadLineEnd,
        Self::EmptyName,
        Self::BadName,
        Self::SpaceInName,
        Self::FoldedLine,
        Self::BadValue,
        Self::NoHost,
        Self::TwoHosts,
        Self::BadHost,
        Self::BadLength,
        Self::TwoLengths,
        Self::BadCoding,
        Self::TwoCodings,
        Self::LengthAndCoding,
        Self::BadEscape,
        Self::NulInPath,
        Self::ClimbingPath,
        Self::HiddenDots,
        Self::NotLatin1,
    ];

    /// The number that crosses to JS, 1 and up.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// True: answered as `head_too_large` (431). False: `bad_request` (400). Either way the connection is closed.
    pub const fn is_too_large(self) -> bool {
        matches!(self, Self::TooManyBytes | Self::TooManyHeaders)
    }

    /// What the client may read about it.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::TooManyBytes => "the request head has too many bytes",
            Self::TooManyHeaders => "the request has too many header fields",
            Self::Unfinished => "the request head does not end with an empty line",
            Self::BytesAfterHead => "bytes follow the request head",
            Self::BadMethod => "the method is not a token of 1 to 32 characters",
            Self::Connect => "the CONNECT method is not served",
            Self::BadTarget => "a character that may not stand in a request target",
            Self::TargetForm => "the request target is no path, no http URL and no * of OPTIONS",
            Self::BadVersion => "the request line does not end with HTTP/1.1",
            Self::BadLineEnd => "a line does not end with CR LF",
            Self::EmptyName => "a header field without a name",
            Self::BadName => "a character that may not stand in a header field's name",
            Self::SpaceInName => "white space in or after a header field's name",
            Self::FoldedLine => "a header line that begins with white space",
            Self::BadValue => "a control character in a header field's value",
            Self::NoHost => "no Host field",
            Self::TwoHosts => "two Host fields",
            Self::BadHost => "the host is not a valid host name or address with an optional port",
            Self::BadLength => "the Content-Length is not one number",
            Self::TwoLengths => "two Content-Length fields",
            Self::BadCoding => "a Transfer-Encoding other than chunked",
            Self::TwoCodings => "two Transfer-Encoding fields",
            Self::LengthAndCoding => "both Content-Length and Transfer-Encoding",
            Self::BadEscape => "a broken percent-encoding in the path",
            Self::NulInPath => "an encoded NUL in the path",
            Self::ClimbingPath => "the path climbs above its root",
            Self::HiddenDots => "a dot segment hidden behind an encoded slash or a path parameter",
            Self::NotLatin1 => "a character beyond latin-1 in the request head",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.detail())
    }
}

impl std::error::Error for Refusal {}
