//! Dates, in UTC.

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The day that a moment is in, counted from 1970-01-01.
pub(super) fn day_of(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

/// `2026-11-24`
pub(super) fn date(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `20261124T171500Z`, for the name of a file.
pub(super) fn compact(ms: i64) -> String {
    let (year, month, day) = civil(day_of(ms));
    let seconds = ms.rem_euclid(DAY_MS) / 1000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Milliseconds since 1970 of a date and time as SQL and ISO 8601 have it: `2026-11-24`, `2026-11-24 17:15`,
/// `2026-11-24T17:15:00.123456Z`, `2026-11-24 17:15:00+01:00`. Without an offset it is UTC.
pub(super) fn parse(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.splitn(3, '-');
    let mut number = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        digits_of(part)
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let days = days_from_civil(year, month, day);
    if civil(days) != (year, month, day) {
        return None;
    }
    let midnight = days * DAY_MS;
    if rest.is_empty() {
        return Some(midnight);
    }
    let clock = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, offset_minutes) = offset(clock)?;
    Some(midnight + time_of_day(clock)? - offset_minutes * 60_000)
}

/// A time of day, and the minutes by which its place is ahead of UTC.
fn offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let (clock, offset) = text.split_at(at);
    let digits: String = offset[1..].chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = match digits.len() {
        2 => (digits_of(&digits)?, 0),
        4 => (digits_of(&digits[..2])?, digits_of(&digits[2..])?),
        _ => return None,
    };
    let minutes = hours * 60 + minutes;
    Some((clock.trim_end(), if offset.starts_with('-') { -minutes } else { minutes }))
}

/// Milliseconds since midnight of `17:15`, `17:15:00` or `17:15:00.123456`.
fn time_of_day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute) = (digits_of(parts.next()?)?, digits_of(parts.next()?)?);
    let (second, fraction) = match parts.next() {
        None => (0, ""),
        Some(part) => {
            let (second, fraction) = part.split_once('.').unwrap_or((part, ""));
            (digits_of(second)?, fraction)
        }
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(((hour * 60 + minute) * 60 + second) * 1000 + digits_of(&thousandths)?)
}

fn digits_of(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Years of 365.2425 days that begin in March, so that the leap day is the last.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_centuries_is_named_and_found() {
        for day in days_from_civil(1895, 1, 1)..days_from_civil(2405, 1, 1) {
            assert_eq!(parse(&date(day)), Some(day * DAY_MS), "{}", date(day));
        }
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(
            (date(day_of(-1)), date(day_of(1_790_000_000_000))),
            ("1969-12-31".into(), "2026-09-21".into())
        );
        assert_eq!(compact(1_790_000_000_999), "20260921T141320Z");
    }

    #[test]
    fn times_are_read_as_databases_write_them() {
        let at = |text| parse(text).map(|ms| ms - days_from_civil(2026, 11, 24) * DAY_MS);
        let clock = (17 * 60 + 15) * 60_000;
        for (text, expected) in [
            ("2026-11-24", 0),
            ("2026-11-24 17:15", clock),
            ("2026-11-24 17:15:01", clock + 1000),
            ("2026-11-24T17:15:00.123456", clock + 123),
            ("2026-11-24T17:15:00.5Z", clock + 500),
            ("2026-11-24 17:15:00+01:00", clock - 3_600_000),
            ("2026-11-24 17:15:00.000 -0130", clock + 5_400_000),
            ("2026-11-24T17:15:00+01", clock - 3_600_000),
        ] {
            assert_eq!(at(text), Some(expected), "{text}");
        }
        for text in ["", "never", "2026-11-31", "2026-13-01", "2026-11-24T25:00", "2026-11-24x", "1790000000"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
