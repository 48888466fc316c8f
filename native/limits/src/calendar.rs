//! Calendar periods in UTC, without leap seconds, as Unix time has it. Used by quotas.

use crate::UnixNanos;
use crate::rule::Period;

const SECOND_NS: u64 = 1_000_000_000;
const DAY_NS: u64 = 86_400 * SECOND_NS;

/// The period that a time is in: its number since 1970, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub index: u64,
    pub end_ns: UnixNanos,
}

/// `now` is at most 2^63, so numbers have at most 22 bits and ends fit.
pub(crate) fn span(period: Period, now: UnixNanos) -> Span {
    let fixed = |length: u64| Span { index: now / length, end_ns: (now / length + 1) * length };
    match period {
        Period::Hour => fixed(3600 * SECOND_NS),
        Period::Day => fixed(DAY_NS),
        Period::Month => month(now / DAY_NS),
    }
}

/// Days to civil months by 400-year eras that begin in March (Hinnant, "chrono-compatible low-level date algorithms").
fn month(day: u64) -> Span {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    // Months since March of the year 0; March 0000 to January 1970 are 23,638.
    let count = (era * 400 + year) * 12 + from_march;
    Span { index: count - 23_638, end_ns: first_day(count + 1) * DAY_NS }
}

/// The day since 1970 on which a month begins, counted from March of the year 0.
fn first_day(count: u64) -> u64 {
    let (year, from_march) = (count / 12, count % 12);
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * from_march + 2) / 5;
    days - 719_468
}

#[cfg(test)]
mod tests {
    //! Pins: where months begin, over four centuries of the proleptic calendar, against plain counting.

    use super::{DAY_NS, Span, month, span};
    use crate::rule::Period;

    #[test]
    fn months_as_one_counts_them_on_fingers() {
        let (mut day, mut index) = (0, 0);
        for year in 1970..2262 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for length in [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
                let end_ns = (day + length) * DAY_NS;
                for of_month in [0, 1, length - 1] {
                    assert_eq!(month(day + of_month), Span { index, end_ns }, "{year} month {index}");
                }
                day += length;
                index += 1;
            }
        }
    }

    #[test]
    fn the_last_nanosecond_belongs_to_the_period_and_the_next_does_not() {
        for period in [Period::Hour, Period::Day, Period::Month] {
            for now in [0, 1_709_164_800_000_000_000, 1 << 63] {
                let this = span(period, now);
                assert_eq!(span(period, this.end_ns - 1), this);
                assert_eq!(span(period, this.end_ns).index, this.index + 1);
                assert!(this.end_ns > now && this.index < 1 << 22);
            }
        }
    }
}
