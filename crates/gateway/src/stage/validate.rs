//! Whether the arguments are well formed (TOOL-2).

use std::sync::Arc;

use sekimori_domain::arguments::{Arguments, ArgumentsError};
use sekimori_domain::catalog::Tool;
use sekimori_domain::limits;
use sekimori_domain::refusal::{Refusal, RefusalCode, Stage};
use sekimori_mcp::headers;
use sekimori_mcp::raw_object::RawObject;
use sekimori_policy::Projections;
use serde_json::json;

use crate::Gateway;
use crate::request::{CallRequest, Operation};
use crate::stage::inspecting::Inspecting;
use crate::stage::record::CallRecord;
use crate::stage::resolve::Resolved;

/// Most schema violations told at once.
const VIOLATIONS_TOLD_MAX: usize = 5;

/// The arguments, and what policies may know of them.
#[derive(Debug)]
pub(crate) struct Validated {
    pub(crate) arguments: Arguments,
    pub(crate) projections: Projections,
    /// Whether the projections hold what tokens stand for, which is not for records.
    pub(crate) restored: bool,
}

/// Checks the arguments against the tool's schema and against what was declared about them; where tokens are replaced
/// by what they stand for, it is that which is checked. The class of the call becomes that of its mode, where an
/// argument decides it.
pub(crate) fn validate(
    gateway: &Gateway,
    record: &mut CallRecord,
    resolved: &mut Resolved,
    request: &CallRequest,
    (arguments, inspecting): (Arguments, &Inspecting),
) -> Result<Validated, Refusal> {
    let copy = inspecting.restored(&arguments);
    let restored = copy.is_some();
    let checked = copy.as_ref().unwrap_or(&arguments);
    check_schema(resolved, request, (&arguments, checked))
        .map_err(|refusal| inspecting.discreet(refusal))?;
    let controlled = resolved.definition.clone();
    let Some(controls) = controlled.as_ref().and_then(|tool| tool.controls.as_ref()) else {
        return Ok(Validated {
            arguments,
            projections: Projections::default(),
            restored,
        });
    };
    let compiled = controls.compiled.as_ref().map_err(|error| {
        let why = format!("what was declared about the tool's arguments can't be used: {error}");
        refuse(RefusalCode::DependencyUnavailable, why)
    })?;
    let class = compiled.class(checked.value(), resolved.tool.class);
    if class != resolved.tool.class {
        let tool = Tool {
            class,
            ..(*resolved.tool).clone()
        };
        resolved.tool = Arc::new(tool);
        record.target(&resolved.tool);
    }
    let now = gateway.policy.local_time(gateway.clock.now());
    let told = compiled
        .project(checked.value(), &now)
        .map_err(|violation| {
            let (code, told) = (RefusalCode::InvalidArguments, violation.to_string());
            let refusal = inspecting.discreet(refuse(code, told));
            if !restored {
                record.detail(
                    "constraint",
                    json!({"pointer": violation.pointer, "name": violation.name}),
                );
            }
            refusal
        })?;
    if !told.resources.is_empty() && !restored {
        record.resources(told.resources.into_iter().collect());
    }
    Ok(Validated {
        arguments,
        projections: told.projections,
        restored,
    })
}

/// Reads the arguments strictly, and notes their digest.
pub(crate) fn read(
    record: &mut CallRecord,
    resolved: &Resolved,
    request: &CallRequest,
) -> Result<Arguments, Refusal> {
    let given = request.arguments.as_deref().map(|raw| raw.get().as_bytes());
    if given.is_some_and(|bytes| bytes.len() > limits::ARGUMENTS_BYTES_MAX) {
        let max = limits::ARGUMENTS_BYTES_MAX;
        return Err(refuse(
            RefusalCode::TooLarge,
            format!("arguments are larger than {max} bytes"),
        ));
    }
    let arguments = match &request.operation {
        // The URI is what a resource is read with: it takes the place of arguments in records.
        Operation::ReadResource { .. }
        | Operation::SubscribeResource { .. }
        | Operation::UnsubscribeResource { .. } => {
            Arguments::from_value(&json!({"uri": resolved.tool.target.name}))
        }
        Operation::Task { .. } => {
            let id = resolved.task.as_ref().map(|task| &task.id);
            Arguments::from_value(&json!({ "taskId": id }))
        }
        // What is typed so far stands beside its context.
        Operation::CompletePrompt { .. } | Operation::CompleteResource { .. } => {
            let mut members = RawObject::new();
            for (name, value) in [
                ("argument", request.arguments.as_deref()),
                ("context", request.rest.get("context")),
            ] {
                if let Some(value) = value {
                    members.set(name, value.to_owned());
                }
            }
            Arguments::parse(Some(members.to_text().as_bytes()))
        }
        Operation::CallTool { .. } | Operation::GetPrompt { .. } => Arguments::parse(given),
    }
    .map_err(|error| refuse(RefusalCode::InvalidArguments, explain(&error)))?;
    record.arguments(&arguments);
    Ok(arguments)
}

/// Whether the arguments are as the tool's schema says, and the client's headers as the arguments it gave.
fn check_schema(
    resolved: &Resolved,
    request: &CallRequest,
    (given, checked): (&Arguments, &Arguments),
) -> Result<(), Refusal> {
    if let Some(definition) = &resolved.definition {
        let validator = definition.validator().map_err(|why| {
            let name = &resolved.tool.target;
            refuse(
                RefusalCode::UpstreamInvalid,
                format!("tool {name} cannot be called: {why}"),
            )
        })?;
        check(validator, checked)?;
        if let Some(headers) = &request.mirrored {
            headers::check_params(definition.mirrored(), given.value(), headers)
                .map_err(|error| refuse(RefusalCode::HeaderMismatch, error.to_string()))?;
        }
    }
    Ok(())
}

/// Whether a changed copy of the arguments still fits the tool's schema.
pub(crate) fn check_again(resolved: &Resolved, arguments: &Arguments) -> Result<(), Refusal> {
    let Some(definition) = &resolved.definition else {
        return Ok(());
    };
    let validator = definition
        .validator()
        .map_err(|why| refuse(RefusalCode::UpstreamInvalid, why.to_string()))?;
    check(validator, arguments)
}

/// Whether the arguments are as the tool's schema says.
pub(crate) fn check(
    validator: &jsonschema::Validator,
    arguments: &Arguments,
) -> Result<(), Refusal> {
    if validator.is_valid(arguments.value()) {
        return Ok(());
    }
    let mut violations: Vec<String> = validator
        .iter_errors(arguments.value())
        .take(VIOLATIONS_TOLD_MAX + 1)
        .map(|error| {
            // Masked: the message goes into the audit record, where contents must not.
            let path = error.instance_path().to_string();
            let at = if path.is_empty() {
                "the arguments".to_owned()
            } else {
                path
            };
            format!("{at}: {}", error.masked())
        })
        .collect();
    if violations.len() > VIOLATIONS_TOLD_MAX {
        violations.truncate(VIOLATIONS_TOLD_MAX);
        violations.push("and more".to_owned());
    }
    let told = format!("invalid arguments: {}", violations.join("; "));
    Err(refuse(RefusalCode::InvalidArguments, told))
}

fn explain(error: &ArgumentsError) -> String {
    match error {
        ArgumentsError::Json(cause) => format!("{error}: {cause}"),
        ArgumentsError::OutOfRange | ArgumentsError::NotAnObject => error.to_string(),
    }
}

fn refuse(code: RefusalCode, message: String) -> Refusal {
    Refusal::new(code, Stage::Validate, message)
}
