//! Trying what would become of a call, without making it: the road as it is, up to where people would be asked.
//!
//! Nothing leaves the building, nothing is counted, and nobody is asked. Who tries it leaves the record; that of the
//! call, which never was one, is forgone.

use std::sync::Arc;

use sekimori_domain::caller::{Caller, Source};
use sekimori_domain::catalog::OperationClass;
use sekimori_domain::ids::{ConnectorName, CorrelationId};
use sekimori_domain::record::EventKind;
use sekimori_domain::refusal::Refusal;
use sekimori_domain::road::{ApprovalDemand, Decision};
use sekimori_identity::Credentials;
use sekimori_inspect::Report;
use sekimori_mcp::raw_object::RawObject;
use sekimori_mcp::revision::Era;
use serde_json::value::RawValue;

use crate::Gateway;
use crate::call::judge;
use crate::request::{CallRequest, Cause, ClientFeatures, Endpoint, Head, Operation};
use crate::stage::record;

/// What the road is walked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A call.
    Call,
    /// Trying what would become of one: nothing of it stays.
    Rehearsal,
}

/// A call that somebody might make.
#[derive(Debug)]
pub struct Supposed {
    /// Who would call.
    pub caller: Arc<Caller>,
    /// The connector.
    pub connector: ConnectorName,
    /// The tool, as the upstream spells it.
    pub tool: String,
    /// With what.
    pub arguments: Box<RawValue>,
}

/// What would become of it.
#[derive(Debug)]
pub struct Rehearsal {
    /// The operation class that it would be treated as, once the tool was found.
    pub class: Option<OperationClass>,
    /// What inspection would find and do.
    pub inspection: Report,
    /// Whether it would be let go.
    pub verdict: Result<Passed, Refusal>,
}

/// A call that would reach the upstream, as soon as people agreed.
#[derive(Debug)]
pub struct Passed {
    /// What policy decided.
    pub decision: Decision,
    /// Every demand for a person; empty if nobody would be asked.
    pub demands: Vec<ApprovalDemand>,
    /// Whether the upstream would get other arguments than those given.
    pub changed: bool,
}

/// Walks the road of a call up to where people would be asked.
pub async fn rehearse(
    gateway: &Gateway,
    correlation: CorrelationId,
    supposed: Supposed,
) -> Result<Rehearsal, Refusal> {
    let Supposed {
        caller,
        connector,
        tool,
        arguments,
    } = supposed;
    let head = Head {
        credentials: Credentials::None,
        source: Source {
            ip: None,
            user_agent: None,
            certificate: None,
        },
        endpoint: Endpoint::Connector(connector),
        correlation,
        trace: None,
        claimed_client: None,
        session: None,
        bound_to: None,
    };
    let given = arguments.get().to_owned();
    let mut request = CallRequest {
        head,
        operation: Operation::CallTool { name: tool },
        arguments: Some(arguments),
        mirrored: None,
        rest: RawObject::new(),
        client: ClientFeatures {
            era: Era::Modern,
            capabilities: RawObject::new(),
            log_level: None,
            progress_token: None,
        },
        cause: Cause::Client,
    };
    let mut record = record::open(gateway, EventKind::ToolCall, &request.head)?;
    let stopped = gateway.kill_switches.check_caller(&caller);
    let judged = match stopped {
        Ok(()) => {
            let road = judge(
                gateway,
                &mut record,
                &caller,
                &mut request,
                Purpose::Rehearsal,
            );
            Box::pin(road).await
        }
        Err(refusal) => Err(refusal),
    };
    let (class, inspection) = record.forgo();
    let verdict = judged.map(|(inspected, _)| Passed {
        decision: inspected.permit().decision().clone(),
        demands: inspected.demands().cloned().collect(),
        changed: !same(&given, inspected.forwarded().raw().get()),
    });
    Ok(Rehearsal {
        class,
        inspection,
        verdict,
    })
}

/// Whether two texts are the same JSON.
fn same(one: &str, other: &str) -> bool {
    let read = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    read(one) == read(other)
}
