//! What the benchmarks of the journal share: the machine's clock, ids as the gate makes them, and its allocator.

use std::time::{Duration, Instant};

use sekimori_domain::Timestamp;
use sekimori_domain::clock::{Clock, Ids};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Debug)]
pub(crate) struct BenchClock(pub(crate) Instant);

impl Clock for BenchClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

#[derive(Debug)]
pub(crate) struct BenchIds;

impl Ids for BenchIds {
    fn next(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}
