//! Requests that are refused before they become calls: a record each, within bounds (AUDIT-1).
//!
//! Anybody can send such requests, so their records must not fill the disk. In each minute the first of one
//! source, and of all sources together, get records of their own; one record with numbers tells of the rest.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sekimori_domain::caller::Caller;
use sekimori_domain::ids::CorrelationId;
use sekimori_domain::limits::{TURNED_AWAY_MAX, TURNED_AWAY_PER_SOURCE_MAX};
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::{Refusal, RefusalCode};
use serde_json::json;

use crate::Gateway;
use crate::request::Head;
use crate::stage::record;
use crate::telemetry;

/// Most sources that the record with numbers names.
const SOURCES_TOLD_MAX: usize = 50;
/// How much of an explanation is kept.
const MESSAGE_CHARS_MAX: usize = 300;

/// Records a request that was turned away, or counts it if there were too many. What is neither recorded nor
/// counted is not answered.
pub(crate) async fn note(
    gateway: &Gateway,
    event: EventKind,
    head: &Head,
    caller: Option<&Caller>,
    refusal: &Refusal,
) -> Result<(), Refusal> {
    telemetry::count(refusal);
    if !admit(gateway, head, refusal.code) {
        return Ok(());
    }
    let mut record = record::open(gateway, event, head)?;
    match caller {
        Some(caller) => record.caller(caller, head.claimed_client.as_deref()),
        None => record.stranger(&head.source),
    }
    let mut told = refusal.clone();
    if let Some((end, _)) = told.message.char_indices().nth(MESSAGE_CHARS_MAX) {
        told.message.truncate(end);
    }
    record.refused(&told);
    record.close().await
}

/// Whether what is turned away now gets a record of its own; if not, it is counted.
pub(crate) fn admit(gateway: &Gateway, head: &Head, code: RefusalCode) -> bool {
    let now = gateway.clock.monotonic();
    gateway.state.turned_away.admit(head.source.ip, code, now)
}

/// Records the numbers of minutes that are over, or with `all` those of the present one too.
pub(crate) async fn tell(gateway: &Gateway, all: bool) -> Result<(), Refusal> {
    let now = gateway.clock.monotonic();
    let Some(tally) = gateway.state.turned_away.take(now, all) else {
        return Ok(());
    };
    let correlation = CorrelationId::from_uuid(gateway.ids.next());
    record::counted(
        gateway,
        correlation,
        [
            ("requests", tally.requests.into()),
            ("by_code", json!(tally.by_code)),
            ("by_source", json!(tally.by_source)),
            ("other_sources", tally.of_others.into()),
        ],
    )
    .await
}

/// What was turned away lately.
#[derive(Debug, Default)]
pub(crate) struct TurnedAway(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    minute: u64,
    /// Records of their own in this minute: of each source, and their sum.
    recorded_of: HashMap<Option<IpAddr>, usize>,
    recorded: usize,
    tally: Tally,
}

/// Numbers of what got no record of its own.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    requests: u64,
    by_code: BTreeMap<&'static str, u64>,
    by_source: BTreeMap<String, u64>,
    of_others: u64,
}

impl TurnedAway {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, source: Option<IpAddr>, code: RefusalCode, now: Duration) -> bool {
        let source = source.map(network);
        let mut state = self.lock();
        if state.minute != minute(now) {
            state.minute = minute(now);
            state.recorded = 0;
            state.recorded_of.clear();
        }
        let of_source = state.recorded_of.get(&source).copied().unwrap_or_default();
        if state.recorded < TURNED_AWAY_MAX && of_source < TURNED_AWAY_PER_SOURCE_MAX {
            state.recorded += 1;
            state.recorded_of.insert(source, of_source + 1);
            return true;
        }
        state.tally.add(source, code);
        false
    }

    fn take(&self, now: Duration, all: bool) -> Option<Tally> {
        let mut state = self.lock();
        let over = all || state.minute != minute(now);
        (over && state.tally.requests > 0).then(|| std::mem::take(&mut state.tally))
    }
}

impl Tally {
    fn add(&mut self, source: Option<IpAddr>, code: RefusalCode) {
        self.requests += 1;
        *self.by_code.entry(code.as_str()).or_default() += 1;
        let source = source.map_or_else(|| "local".to_owned(), |ip| ip.to_string());
        if self.by_source.len() < SOURCES_TOLD_MAX || self.by_source.contains_key(&source) {
            *self.by_source.entry(source).or_default() += 1;
        } else {
            self.of_others += 1;
        }
    }
}

fn minute(now: Duration) -> u64 {
    now.as_secs() / 60
}

/// What counts as one source: whoever has an IPv6 address has a network of them.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_mins(10);

    fn admit(log: &TurnedAway, source: &str, now: Duration) -> bool {
        let source = Some(source.parse().unwrap());
        log.admit(source, RefusalCode::InvalidRequest, now)
    }

    #[test]
    fn one_source_gets_so_many_records_a_minute_and_the_rest_is_counted() {
        let log = TurnedAway::default();
        let recorded = (0..1_000).filter(|_| admit(&log, "192.0.2.1", START));
        assert_eq!(recorded.count(), TURNED_AWAY_PER_SOURCE_MAX);
        assert!(admit(&log, "192.0.2.2", START), "others are not concerned");
        assert_eq!(log.take(START, false), None, "the minute is not over");
        let later = START + Duration::from_mins(1);
        let tally = log.take(later, false).unwrap();
        let rest = 1_000 - u64::try_from(TURNED_AWAY_PER_SOURCE_MAX).unwrap();
        assert_eq!(tally.requests, rest);
        assert_eq!(tally.by_code["invalid_request"], rest);
        assert_eq!(tally.by_source["192.0.2.1"], rest);
        assert_eq!(log.take(later, true), None, "told once");
        assert!(admit(&log, "192.0.2.1", later));
    }

    #[test]
    fn many_sources_together_are_bounded_too() {
        let log = TurnedAway::default();
        let sources = || (0..10_000_u32).map(|n| std::net::Ipv4Addr::from(n).to_string());
        let recorded = sources().filter(|source| admit(&log, source, START));
        assert_eq!(recorded.count(), TURNED_AWAY_MAX);
        let tally = log.take(START, true).unwrap();
        assert_eq!(tally.by_source.len(), SOURCES_TOLD_MAX);
        let named: u64 = tally.by_source.values().sum();
        assert_eq!(named + tally.of_others, tally.requests);
    }

    #[test]
    fn a_network_of_ipv6_addresses_is_one_source() {
        let log = TurnedAway::default();
        let recorded = (0..1_000).filter(|n| admit(&log, &format!("2001:db8::{n}"), START));
        assert_eq!(recorded.count(), TURNED_AWAY_PER_SOURCE_MAX);
        assert!(admit(&log, "2001:db8:0:1::1", START));
    }
}
