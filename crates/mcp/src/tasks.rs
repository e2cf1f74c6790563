//! Tasks: an experimental part of 2025-11-25, and an extension since 2026-07-28.
//!
//! The two differ in the names of members, in what `completed` and `failed` mean, and in where the result
//! is found: in an answer of its own (`tasks/result`) before, inside the task since. Members that are not
//! named here stay as they are.

use serde_json::value::RawValue;

use crate::raw_object::{RawObject, raw_json};
use crate::revision::{extension, meta};

/// Members that are called otherwise since 2026-07-28.
const RENAMED: [(&str, &str); 2] = [("ttl", "ttlMs"), ("pollInterval", "pollIntervalMs")];
/// Members of a task since 2026-07-28 that have requests of their own before.
const INLINED: [&str; 4] = ["resultType", "result", "error", "inputRequests"];

/// What a task is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Working,
    /// It waits for answers.
    InputRequired,
    /// It has ended with a result.
    Completed,
    /// It has ended with an error; until 2025-11-25 also with a result that tells of a failure.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl Status {
    /// The status of a task, if it is a known one.
    pub fn of(task: &RawObject) -> Option<Self> {
        Some(match task.get_str("status")?.as_ref() {
            "working" => Self::Working,
            "input_required" => Self::InputRequired,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            _ => return None,
        })
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more comes of it.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// Whether a tool of 2025-11-25 may be called as a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Support {
    /// It must not.
    #[default]
    Forbidden,
    /// As the client likes.
    Optional,
    /// It must.
    Required,
}

impl Support {
    /// Reads `execution.taskSupport` of a tool definition.
    pub fn of(definition: &RawValue) -> Self {
        if !definition.get().contains("taskSupport") {
            return Self::Forbidden;
        }
        let execution = RawObject::from_raw_or_empty(Some(definition)).get_object("execution");
        match execution
            .as_ref()
            .and_then(|execution| execution.get_str("taskSupport"))
            .as_deref()
        {
            Some("optional") => Self::Optional,
            Some("required") => Self::Required,
            _ => Self::Forbidden,
        }
    }
}

/// The tool definition with a word that it may be called as a task, unless it says something itself.
pub fn with_optional_support(definition: &RawValue) -> Box<RawValue> {
    let mut definition = RawObject::from_raw_or_empty(Some(definition));
    definition.edit("execution", |execution| {
        if !execution.contains("taskSupport") {
            execution.set_str("taskSupport", "optional");
        }
    });
    definition.to_raw()
}

/// Whether these capabilities of a server of 2025-11-25 let tools be called as tasks.
pub fn offered_by_legacy(capabilities: &RawObject) -> bool {
    capabilities
        .get_object("tasks")
        .and_then(|tasks| tasks.get_object("requests"))
        .and_then(|requests| requests.get_object("tools"))
        .is_some_and(|tools| tools.contains("call"))
}

/// Whether the extension is among these capabilities, of a client or a server.
pub fn declared(capabilities: &RawObject) -> bool {
    capabilities
        .get_object("extensions")
        .is_some_and(|extensions| extensions.contains(extension::TASKS))
}

/// Declares the extension, and nothing of 2025-11-25.
pub fn declare(capabilities: &mut RawObject) {
    capabilities.remove("tasks");
    capabilities.edit("extensions", |extensions| {
        extensions.set(extension::TASKS, RawObject::new().to_raw());
    });
}

/// Takes tasks out of capabilities, in the words of both eras.
pub fn undeclare(capabilities: &mut RawObject) {
    capabilities.remove("tasks");
    if let Some(mut extensions) = capabilities.get_object("extensions")
        && extensions.remove(extension::TASKS).is_some()
    {
        if extensions.is_empty() {
            capabilities.remove("extensions");
        } else {
            capabilities.set("extensions", extensions.to_raw());
        }
    }
}

/// Declares tasks as a server of 2025-11-25 does.
pub fn declare_legacy(capabilities: &mut RawObject) {
    undeclare(capabilities);
    let all =
        serde_json::json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } });
    capabilities.set("tasks", raw_json(&all));
}

/// A task of 2025-11-25 in the words of 2026-07-28. Result, error and questions are not in it.
pub fn to_modern(task: RawObject) -> RawObject {
    let mut modern = renamed(task, RENAMED);
    if !modern.contains("ttlMs") {
        modern.set("ttlMs", RawValue::NULL.to_owned());
    }
    modern
}

/// A task of 2026-07-28 in the words of 2025-11-25: a tool that failed makes a task that failed.
pub fn to_legacy(task: RawObject) -> RawObject {
    let tool_failed = task
        .get_object("result")
        .is_some_and(|result| result.get_bool("isError") == Some(true));
    let mut legacy = renamed(task, RENAMED.map(|(legacy, modern)| (modern, legacy)));
    if tool_failed && Status::of(&legacy) == Some(Status::Completed) {
        legacy.set_str("status", Status::Failed.as_str());
    }
    for member in INLINED {
        legacy.remove(member);
    }
    if !legacy.contains("ttl") {
        legacy.set("ttl", RawValue::NULL.to_owned());
    }
    legacy
}

fn renamed(object: RawObject, names: [(&str, &str); 2]) -> RawObject {
    let mut out = RawObject::new();
    for (name, value) in object {
        let renamed = names
            .iter()
            .find_map(|(from, to)| (*from == name).then_some(*to));
        out.set(renamed.unwrap_or(&name), value);
    }
    out
}

/// The answer of 2025-11-25 that a call became a task, in the words of 2026-07-28; `None` if it is
/// another answer.
pub fn created_to_modern(result: &RawValue) -> Option<Box<RawValue>> {
    let mut result = RawObject::from_raw(result).ok()?;
    let task = result.get_object("task")?;
    task.get_str("taskId")?;
    result.remove("task");
    let mut created = RawObject::new();
    created.set_str("resultType", "task");
    for (name, value) in to_modern(task).into_iter().chain(result) {
        created.set(&name, value);
    }
    Some(created.to_raw())
}

/// The answer of 2026-07-28 that a call became a task, in the words of 2025-11-25.
pub fn created_to_legacy(result: &RawValue) -> Box<RawValue> {
    let mut task = RawObject::from_raw_or_empty(Some(result));
    let about = task.remove("_meta");
    let mut created = RawObject::new();
    created.set("task", to_legacy(task).to_raw());
    if let Some(about) = about {
        created.set("_meta", about);
    }
    created.to_raw()
}

/// The task that a message is related to (2025-11-25).
pub fn related(params: Option<&RawValue>) -> Option<String> {
    let params = params.filter(|params| params.get().contains("related-task"))?;
    RawObject::from_raw_or_empty(Some(params))
        .meta()
        .get_object(meta::RELATED_TASK)?
        .get_str("taskId")
        .map(std::borrow::Cow::into_owned)
}

/// The same message, related to the task `id`.
pub fn relate(message: &RawValue, id: &str) -> Box<RawValue> {
    let mut message = RawObject::from_raw_or_empty(Some(message));
    message.edit_meta(|members| {
        members.edit(meta::RELATED_TASK, |task| task.set_str("taskId", id));
    });
    message.to_raw()
}

/// The same message, related to no task: since 2026-07-28 there is no such thing.
pub fn unrelate(message: &RawValue) -> Box<RawValue> {
    if !message.get().contains("related-task") {
        return message.to_owned();
    }
    let mut message = RawObject::from_raw_or_empty(Some(message));
    message.edit_meta(|members| {
        members.remove(meta::RELATED_TASK);
    });
    message.to_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn object(text: &str) -> RawObject {
        RawObject::from_text(text).unwrap()
    }

    #[test]
    fn a_created_task_goes_from_era_to_era_and_back() {
        let legacy = r#"{"task":{"taskId":"t","status":"working","ttl":60000,"createdAt":"a","lastUpdatedAt":"b","pollInterval":5.0,"x":[1 ]},"_meta":{"k/v":1}}"#;
        let modern = created_to_modern(&raw(legacy)).unwrap();
        assert_eq!(
            modern.get(),
            r#"{"resultType":"task","taskId":"t","status":"working","ttlMs":60000,"createdAt":"a","lastUpdatedAt":"b","pollIntervalMs":5.0,"x":[1 ],"_meta":{"k/v":1}}"#
        );
        assert_eq!(created_to_legacy(&modern).get(), legacy);
        assert!(created_to_modern(&raw(r#"{"content":[]}"#)).is_none());
        assert!(created_to_modern(&raw(r#"{"task":{"name":"a content of its own"}}"#)).is_none());
    }

    #[test]
    fn a_life_without_end_is_told_in_both_eras() {
        let task = r#"{"taskId":"t","status":"working"}"#;
        assert_eq!(
            to_modern(object(task)).to_text(),
            r#"{"taskId":"t","status":"working","ttlMs":null}"#
        );
        assert_eq!(
            to_legacy(object(r#"{"taskId":"t","status":"working","ttlMs":null}"#)).to_text(),
            r#"{"taskId":"t","status":"working","ttl":null}"#
        );
    }

    #[test]
    fn a_tool_that_failed_is_a_failed_task_of_2025() {
        let told = |task: &str| to_legacy(object(task)).to_text();
        assert_eq!(
            told(
                r#"{"resultType":"complete","taskId":"t","status":"completed","ttlMs":1,"result":{"isError":true,"content":[]}}"#
            ),
            r#"{"taskId":"t","status":"failed","ttl":1}"#
        );
        assert_eq!(
            told(r#"{"taskId":"t","status":"completed","ttlMs":1,"result":{"content":[]}}"#),
            r#"{"taskId":"t","status":"completed","ttl":1}"#
        );
        assert_eq!(
            told(r#"{"taskId":"t","status":"failed","ttlMs":1,"error":{"code":1,"message":"m"}}"#),
            r#"{"taskId":"t","status":"failed","ttl":1}"#
        );
    }

    #[test]
    fn capabilities_name_tasks_in_the_words_of_one_era() {
        let legacy =
            r#"{"tools":{},"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":{}}}}}"#;
        assert!(offered_by_legacy(&object(legacy)));
        assert!(!offered_by_legacy(&object(r#"{"tasks":{"requests":{}}}"#)));
        let mut capabilities = object(legacy);
        declare(&mut capabilities);
        assert!(declared(&capabilities));
        assert_eq!(
            capabilities.to_text(),
            r#"{"tools":{},"extensions":{"io.modelcontextprotocol/tasks":{}}}"#
        );
        declare_legacy(&mut capabilities);
        assert_eq!(capabilities.to_text(), legacy);
        undeclare(&mut capabilities);
        assert_eq!(capabilities.to_text(), r#"{"tools":{}}"#);
    }

    #[test]
    fn tools_say_whether_they_may_be_tasks() {
        let of = |text: &str| Support::of(&raw(text));
        assert_eq!(of(r#"{"name":"a"}"#), Support::Forbidden);
        assert_eq!(
            of(r#"{"execution":{"taskSupport":"required"}}"#),
            Support::Required
        );
        let may = with_optional_support(&raw(r#"{"name":"a","x":1.0}"#));
        assert_eq!(
            may.get(),
            r#"{"name":"a","x":1.0,"execution":{"taskSupport":"optional"}}"#
        );
        let must = raw(r#"{"execution":{"taskSupport":"required"}}"#);
        assert_eq!(with_optional_support(&must).get(), must.get());
    }

    #[test]
    fn messages_are_related_to_their_task() {
        let message = relate(&raw(r#"{"message":"?","_meta":{"k":1}}"#), "t");
        assert_eq!(related(Some(&message)).as_deref(), Some("t"));
        assert_eq!(
            unrelate(&message).get(),
            r#"{"message":"?","_meta":{"k":1}}"#
        );
        assert_eq!(related(Some(&raw(r#"{"related-task":1}"#))), None);
    }
}
