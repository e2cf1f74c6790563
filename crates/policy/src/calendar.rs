//! What time it is for policies: in their time zone, and whether that day is a holiday.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

/// The time zone and the holidays of the company.
#[derive(Debug, Clone)]
pub struct Calendar {
    time_zone: TimeZone,
    holidays: BTreeSet<Date>,
}

impl Default for Calendar {
    /// Japan's time has been UTC+9 without daylight saving since 1951: no time zone database is needed. Of
    /// holidays nothing is known.
    fn default() -> Self {
        Self::new(TimeZone::fixed(Offset::constant(9)), [])
    }
}

impl Calendar {
    /// A calendar with the holidays of some years: national ones, and the company's own. Of a year of which none
    /// is given, nothing is known.
    pub fn new(time_zone: TimeZone, holidays: impl IntoIterator<Item = Date>) -> Self {
        Self {
            time_zone,
            holidays: holidays.into_iter().collect(),
        }
    }

    /// The local time.
    pub fn local(&self, now: Timestamp) -> Zoned {
        now.to_zoned(self.time_zone.clone())
    }

    /// Whether the day is a holiday; `None` where nobody entered the holidays of that year, which must not be
    /// taken for a year without any.
    pub(crate) fn is_holiday(&self, now: Timestamp) -> Option<bool> {
        let today = self.local(now).date();
        let first = today.first_of_year();
        let known = self
            .holidays
            .range(first..=today.last_of_year())
            .next()
            .is_some();
        known.then(|| self.holidays.contains(&today))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn authz_3_a_day_is_a_holiday_by_local_time() {
        let days = [date(2026, 1, 1), date(2026, 5, 5)];
        let calendar = Calendar::new(TimeZone::fixed(Offset::constant(9)), days);
        // 5 May begins in Japan when it is still the 4th in Greenwich.
        assert_eq!(calendar.is_holiday(at("2026-05-04T14:59:59Z")), Some(false));
        assert_eq!(calendar.is_holiday(at("2026-05-04T15:00:00Z")), Some(true));
        assert_eq!(calendar.is_holiday(at("2026-05-05T15:00:00Z")), Some(false));
    }

    #[test]
    fn authz_3_of_a_year_without_any_entry_nothing_is_known() {
        let calendar = Calendar::new(TimeZone::UTC, [date(2026, 1, 1)]);
        assert_eq!(calendar.is_holiday(at("2027-01-01T00:00:00Z")), None);
        assert_eq!(
            Calendar::default().is_holiday(at("2026-01-01T00:00:00Z")),
            None
        );
    }
}
