//! The stages of the road, one file each, in the order of [`crate::call`].

pub(crate) mod approve;
pub(crate) mod authenticate;
pub(crate) mod authorize;
pub(crate) mod deferred;
pub(crate) mod inspect_input;
pub(crate) mod inspect_output;
pub(crate) mod inspecting;
pub(crate) mod invoke;
pub(crate) mod page;
mod present;
pub(crate) mod record;
pub(crate) mod reply;
pub(crate) mod resolve;
pub(crate) mod validate;
mod waiting;
