//! Dates, in UTC.

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The day that a moment is in, counted from 1970-01-01.
fn day_of(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

/// `20261124T171500Z`, for the name of a file.
pub(super) fn compact(ms: i64) -> String {
    let (year, month, day) = civil(day_of(ms));
    let seconds = ms.rem_euclid(DAY_MS) / 1000;
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_named() {
        assert_eq!(compact(0), "19700101T000000Z");
        assert_eq!(compact(951_782_400_000), "20000229T000000Z");
        assert_eq!(compact(1_790_000_000_999), "20260921T141320Z");
    }
}
