//! How often something came from an address lately: for what anybody may begin, and that is remembered for a
//! while.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indexmap::IndexMap;

/// Most addresses that are counted.
const ADDRESSES_MAX: usize = 10_000;

/// Counts by address, each over a span of time.
#[derive(Debug)]
pub(crate) struct AddressCounts {
    span: Duration,
    counts: Mutex<IndexMap<Option<IpAddr>, (Duration, u32)>>,
}

impl AddressCounts {
    /// Counts that begin anew after `span`.
    pub(crate) fn over(span: Duration) -> Self {
        Self {
            span,
            counts: Mutex::default(),
        }
    }

    /// Counts one; `false` if the address had its share of `max`, or nobody else can be counted.
    pub(crate) fn admit(&self, ip: Option<IpAddr>, now: Duration, max: u32) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since: Duration| now.saturating_sub(since) >= self.span;
        let address = ip.map(network);
        if counts.len() >= ADDRESSES_MAX && !counts.contains_key(&address) {
            counts.retain(|_, (since, _)| !is_over(*since));
            if counts.len() >= ADDRESSES_MAX {
                return false;
            }
        }
        let (since, count) = counts.entry(address).or_insert((now, 0));
        if is_over(*since) {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= max
    }
}

/// One household has many IPv6 addresses and one network of 64 bits.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => {
            let mut segments = ip.segments();
            for segment in segments.iter_mut().skip(4) {
                *segment = 0;
            }
            IpAddr::from(segments)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_mins(10);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_of_each_span() {
        let counts = AddressCounts::over(SPAN);
        let admit = |address, now| counts.admit(Some(ip(address)), now, 2);
        let begin = Duration::from_secs(1);
        assert!(admit("192.0.2.1", begin) && admit("::ffff:192.0.2.1", begin));
        assert!(!admit("192.0.2.1", begin));
        assert!(admit("192.0.2.2", begin), "another address");
        assert!(admit("192.0.2.1", begin + SPAN), "another span");
        assert!(admit("2001:db8::1", begin) && admit("2001:db8::ffff:2", begin));
        assert!(!admit("2001:db8::3", begin), "the same household");
    }

    #[test]
    fn what_cannot_be_counted_is_not_admitted() {
        let counts = AddressCounts::over(SPAN);
        for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() {
            let address = IpAddr::from(number.to_be_bytes());
            assert!(counts.admit(Some(address), Duration::ZERO, 1));
        }
        assert!(!counts.admit(Some(ip("192.0.2.1")), Duration::ZERO, 1));
        assert!(counts.admit(Some(ip("192.0.2.1")), SPAN, 1));
    }
}
