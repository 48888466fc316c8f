//! IMF-fixdate (RFC 9110, 5.6.7), and nothing else: the two old forms have no business in a signature.

const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// `Sun, 05 Jan 2014 21:31:40 GMT` as Unix seconds. The name of the day is not compared with the date: the signature
/// covers the text, and clients are known to get it wrong.
pub fn parse(text: &[u8]) -> Option<u64> {
    let text: &[u8; 29] = text.try_into().ok()?;
    let number = |from: usize, to: usize| crate::encoding::digits(&text[from..to]);
    let separators = [(3, b", "), (16, b" \0"), (7, b" \0"), (11, b" \0"), (19, b":\0"), (22, b":\0")];
    let separated =
        separators.iter().all(|(at, want)| text[*at] == want[0] && (want[1] == 0 || text[at + 1] == want[1]));
    if !separated || &text[25..] != b" GMT" || !DAYS.contains(&&text[..3]) {
        return None;
    }
    let month = MONTHS.iter().position(|month| *month == &text[8..11])? as u64 + 1;
    let (day, year) = (number(5, 7)?, number(12, 16)?);
    let (hour, minute, second) = (number(17, 19)?, number(20, 22)?, number(23, 25)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days_since_1970(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// The same the other way round. `None` after the year 9999.
pub fn write(seconds: u64) -> Option<String> {
    let days = seconds / 86_400;
    let (year, month, day) = date_of(days)?;
    // The first day was a Thursday.
    let name = std::str::from_utf8(DAYS.get((days as usize + 3) % 7)?).ok()?;
    let month = std::str::from_utf8(MONTHS.get(month as usize - 1)?).ok()?;
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    Some(format!("{name}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT"))
}

/// Days of the Gregorian calendar; `None` for a date that does not exist, or is before 1970.
pub fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let lengths = [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get((month as usize).checked_sub(1)?)?;
    if year < 1970 || day == 0 || day > length {
        return None;
    }
    let before = year - 1;
    let years = before * 365 + before / 4 - before / 100 + before / 400;
    Some(years - 719_162 + lengths[..month as usize - 1].iter().sum::<u64>() + day - 1)
}

/// Year, month and day of a day since 1970, until the year 9999.
pub fn date_of(days: u64) -> Option<(u64, u64, u64)> {
    // 400 years have 146,097 days; a guess that is never too late, then at most one year on.
    let mut year = 1970 + days * 400 / 146_097;
    while days_since_1970(year, 1, 1)? > days {
        year -= 1;
    }
    while days_since_1970(year + 1, 1, 1)? <= days {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days_since_1970(year, *month, 1).is_some_and(|first| first <= days))?;
    (year <= 9_999).then_some((year, month, days - days_since_1970(year, month, 1)? + 1))
}

#[cfg(test)]
mod tests {
    use super::{date_of, days_since_1970, parse, write};

    #[test]
    fn dates() {
        for wrong in [
            "",
            "Sun, 05 Jan 2014 21:31:40",
            "Sun, 05 Jan 2014 21:31:40 UTC",
            "Sun, 5 Jan 2014 21:31:40 GMT",
            "sun, 05 Jan 2014 21:31:40 GMT",
            "Sun, 05 jan 2014 21:31:40 GMT",
            "Sun, 00 Jan 2014 21:31:40 GMT",
            "Sat, 29 Feb 2014 21:31:40 GMT",
            "Sun, 05 Jan 2014 24:31:40 GMT",
            "Sun, 05 Jan 2014 21:60:40 GMT",
            "Sun, +5 Jan 2014 21:31:40 GMT",
            "Sun, 05 Jan 1969 21:31:40 GMT",
            "Sunday, 05-Jan-14 21:31:40 GMT",
            "Sun Jan  5 21:31:40 2014",
            "Sun, 05 Jan 2014 21:31:40 GMT ",
            "Sun,\u{a0}5 Jan 2014 21:31:40 GMT",
        ] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 05 Jan 2014 21:31:40 GMT", 1_388_957_500),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("Tue, 19 Jan 2038 03:14:08 GMT", 2_147_483_648),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(seconds), "{text}");
            assert_eq!(write(seconds).as_deref(), Some(text));
        }
    }

    #[test]
    fn every_day_until_9999_has_one_date() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..2_932_897 {
            assert_eq!((date_of(days), days_since_1970(year, month, day)), (Some((year, month, day)), Some(days)));
            day += 1;
            if days_since_1970(year, month, day).is_none() {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
        assert_eq!((year, date_of(2_932_897), date_of(u64::MAX / 86_400)), (10_000, None, None));
    }
}
