//! Every bound in one place, each with its reason. All are defaults unless said otherwise.

use std::time::Duration;

/// Longest connector name. With the separator it leaves 30 characters of a 64-character tool name,
/// the cap of common model APIs.
pub const CONNECTOR_NAME_CHARS_MAX: usize = 32;
/// Longest public tool name (`connector__tool`): common model APIs refuse more.
pub const PUBLIC_TOOL_NAME_CHARS_MAX: usize = 64;
/// Largest request body a client may send: room for an embedded file, not for a bulk load.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest message an upstream may answer.
pub const UPSTREAM_MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Deepest nesting of any JSON that passes: far above real use, far below a stack overflow.
pub const JSON_DEPTH_MAX: usize = 64;
/// Most members of one JSON object or array.
pub const JSON_MEMBERS_MAX: usize = 100_000;
/// Largest tool arguments.
pub const ARGUMENTS_BYTES_MAX: usize = 1024 * 1024;
/// Largest JSON Schema of a tool that is compiled.
pub const SCHEMA_BYTES_MAX: usize = 256 * 1024;
/// Most tools taken from one connector.
pub const TOOLS_PER_CONNECTOR_MAX: usize = 2_000;
/// Most pages followed when listing an upstream.
pub const LIST_PAGES_MAX: usize = 100;
/// How long one call may take, all in all, unless progress or policy says more.
pub const CALL_TIMEOUT: Duration = Duration::from_mins(2);
/// How long connecting to an upstream may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the head of a request may take to arrive (slow-loris).
pub const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the body of a request may take to arrive.
pub const REQUEST_BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Most open client connections of one node.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Most calls on the road at once on one node; the next is refused with "busy".
pub const CALLS_IN_FLIGHT_MAX: usize = 1_024;
/// Most legacy sessions of one node.
pub const SESSIONS_MAX: usize = 10_000;
/// Most legacy sessions of one principal.
pub const SESSIONS_PER_PRINCIPAL_MAX: usize = 100;
/// How long an idle legacy session lives.
pub const SESSION_IDLE: Duration = Duration::from_mins(30);
/// Most requests of one source that are turned away with a record of their own, per minute: enough to see what
/// somebody tries; the rest is counted.
pub const TURNED_AWAY_PER_SOURCE_MAX: usize = 20;
/// The same for all sources together. With about 600 bytes a record, no flood of requests fills more than
/// 180 MB of disk a day.
pub const TURNED_AWAY_MAX: usize = 200;
/// Most exchanges parked while a person answers a question.
pub const PARKED_EXCHANGES_MAX: usize = 1_024;
/// How long a person may take to answer an upstream's question.
pub const ELICITATION_TIMEOUT: Duration = Duration::from_mins(10);
/// Most notifications waiting for one slow client.
pub const NOTIFICATION_QUEUE_MAX: usize = 256;
