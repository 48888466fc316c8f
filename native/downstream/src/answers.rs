//! Answers that the front end gives by itself, without asking JavaScript, and what is sent in their place.
//!
//! uWebSockets.js answers what its parser refuses with a line of HTML. Polygate's answers are
//! `application/problem+json` (RFC 9457), so the `send` hook recognises those bytes and sends ours.

use crate::framing::Refused;
use std::time::{SystemTime, UNIX_EPOCH};

/// A status that is answered below JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 400
    BadRequest,
    /// 408
    Timeout,
    /// 431
    HeadTooLarge,
    /// 505
    Version,
}

impl Answer {
    /// All, in the order of [`Answer::index`].
    pub const ALL: [Self; 4] = [Self::BadRequest, Self::Timeout, Self::HeadTooLarge, Self::Version];

    /// Position in the counters.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Timeout => 408,
            Self::HeadTooLarge => 431,
            Self::Version => 505,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::Timeout => "Request Timeout",
            Self::HeadTooLarge => "Request Header Fields Too Large",
            Self::Version => "HTTP Version Not Supported",
        }
    }

    /// How the front end's answer begins. Nothing that JavaScript can write has this form: it lacks Date and length.
    const fn own(self) -> Option<&'static [u8]> {
        Some(match self {
            Self::BadRequest => b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<h1>",
            // It closes without a word.
            Self::Timeout => return None,
            Self::HeadTooLarge => b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n<h1>",
            Self::Version => b"HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\n\r\n<h1>",
        })
    }

    const fn code(self) -> &'static str {
        match self {
            Self::BadRequest | Self::Version => "bad_request",
            Self::Timeout => "request_timeout",
            Self::HeadTooLarge => "too_large",
        }
    }

    /// The status of the front end's own answer, if `sent` is one.
    pub fn of_front_end(sent: &[u8]) -> Option<Self> {
        let answer = *Self::ALL.iter().find(|answer| answer.own().is_some_and(|own| sent.starts_with(own)))?;
        // The parser says 505 of any target that it does not understand. Other versions never reach it.
        Some(if answer == Self::Version { Self::BadRequest } else { answer })
    }

    /// The whole response. `id` becomes the request id.
    pub fn response(self, id: u128) -> Vec<u8> {
        let (status, title, code) = (self.status(), self.title(), self.code());
        let body = format!(
            r#"{{"type":"about:blank","title":"{title}","status":{status},"code":"{code}","requestId":"{id:032x}"}}"#
        );
        format!(
            "HTTP/1.1 {status} {title}\r\nDate: {}\r\nContent-Type: application/problem+json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            http_date_now(),
            body.len()
        )
        .into_bytes()
    }
}

impl From<Refused> for Answer {
    fn from(why: Refused) -> Self {
        match why {
            Refused::Malformed => Self::BadRequest,
            Refused::Version => Self::Version,
            Refused::HeadTooLarge => Self::HeadTooLarge,
        }
    }
}

/// For a `Date` line of now.
pub fn http_date_now() -> String {
    http_date(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// `Tue, 24 Nov 2026 08:06:00 GMT` (RFC 9110 5.6.7) of seconds since 1970.
pub fn http_date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // Civil from days, with years that begin in March (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12;
    let year = shifted / 146_097 * 400 + year_of_era + u64::from(month < 2);
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} GMT",
        DAYS[(days % 7) as usize],
        MONTHS[month as usize],
        time / 3600,
        time / 60 % 60,
        time % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\n\r\n<h1>HTTP Version \
        Not Supported</h1><p>This server does not support HTTP/1.0.</p><hr><i>uWebSockets/20 Server</i>";

    #[test]
    fn only_the_front_ends_own_answers_are_taken() {
        let bad = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<h1>Bad Request</h1><hr>";
        assert_eq!(Answer::of_front_end(bad), Some(Answer::BadRequest));
        assert_eq!(Answer::of_front_end(HTML), Some(Answer::BadRequest), "the version is checked before");
        assert_eq!(Answer::of_front_end(b"HTTP/1.1 400 Bad Request\r\nDate: x\r\n\r\n<h1>"), None);
        assert_eq!(Answer::of_front_end(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<h1>"), None);
        assert_eq!(Answer::of_front_end(b""), None);
    }

    #[test]
    fn a_response_is_well_formed() {
        let text = String::from_utf8(Answer::HeadTooLarge.response(0xabc)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\nDate: "), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\nConnection: close", body.len())), "{head}");
        let id = "00000000000000000000000000000abc";
        let expected = r#"{"type":"about:blank","title":"Request Header Fields Too Large","status":431,"code":"too_large","requestId":""#;
        assert_eq!(body, format!("{expected}{id}\"}}"));
    }

    #[test]
    fn dates() {
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(http_date(1_795_507_199), "Tue, 24 Nov 2026 07:59:59 GMT");
    }
}
