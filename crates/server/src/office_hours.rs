//! When people work: the time zone and the holidays of the configuration, for the rules of alerts.

use std::collections::BTreeSet;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use sekimori_audit::alert::Calendar;

use crate::config::Config;

/// Night begins at this hour,
const NIGHT_FROM: i8 = 22;
/// and ends at this one.
const NIGHT_UNTIL: i8 = 5;

/// When people work.
#[derive(Debug)]
pub(crate) struct OfficeHours {
    time_zone: TimeZone,
    holidays: BTreeSet<Date>,
}

impl OfficeHours {
    /// As the configuration says.
    pub(crate) fn of(config: &Config) -> anyhow::Result<Self> {
        let time_zone = TimeZone::get(&config.policy.time_zone).context("policy.time_zone")?;
        Ok(Self {
            time_zone,
            holidays: config.policy.holidays.iter().copied().collect(),
        })
    }
}

impl Calendar for OfficeHours {
    fn is_off_hours(&self, time: Timestamp) -> bool {
        let local = time.to_zoned(self.time_zone.clone());
        let night = local.hour() >= NIGHT_FROM || local.hour() < NIGHT_UNTIL;
        let weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
        night || weekend || self.holidays.contains(&local.date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_weekends_and_holidays_are_off() {
        let hours = OfficeHours {
            time_zone: TimeZone::get("Asia/Tokyo").unwrap(),
            holidays: BTreeSet::from([jiff::civil::date(2026, 11, 23)]),
        };
        for (time, off) in [
            ("2026-11-20T14:00:00+09:00", false),
            ("2026-11-20T21:59:59+09:00", false),
            ("2026-11-20T22:00:00+09:00", true),
            ("2026-11-20T04:59:59+09:00", true),
            ("2026-11-20T05:00:00+09:00", false),
            ("2026-11-21T14:00:00+09:00", true),
            ("2026-11-23T14:00:00+09:00", true),
        ] {
            assert_eq!(hours.is_off_hours(time.parse().unwrap()), off, "{time}");
        }
    }
}
