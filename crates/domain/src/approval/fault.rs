//! Why something must not happen to a request.

use super::ApprovalState;

/// Why something must not happen to a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is decided, or over.
    #[error("the request is {0} already")]
    Closed(ApprovalState),
    /// Its time is over.
    #[error("the time of the request is over")]
    Ended,
    /// Nobody decides on their own calls, or on those of a program that they answer for, in nobody's place (four
    /// eyes).
    #[error("you asked for this, or answer for the program that did: somebody else must decide")]
    OwnRequest,
    /// Programs don't decide.
    #[error("only a person may decide")]
    NotAPerson,
    /// Not one of those who may.
    #[error("you are not among those who may decide on this")]
    NotAnApprover,
    /// They let somebody else decide.
    #[error("you let somebody else decide in your place")]
    HandedOver,
    /// They agreed before, or somebody did in their place.
    #[error("you, or somebody in your place, agreed already")]
    AlreadyAgreed,
    /// A second factor must have been proved just now.
    #[error("this decision needs a second factor, proved just now: sign in again with it")]
    StepUpNeeded,
    /// Something else than what they looked at.
    #[error("the arguments were changed since you looked: look again, then decide")]
    Changed,
    /// A refusal tells why.
    #[error("a reason is needed, of at most 2000 characters")]
    ReasonNeeded,
    /// A change that changes nothing.
    #[error("these are the arguments as they are already")]
    NothingChanged,
    /// Too many changes.
    #[error("it was changed or handed over too often: ask for it anew")]
    TooMany,
    /// It cannot go to that person.
    #[error("it can't be handed over to that person")]
    BadDelegate,
    /// Only who asked may take it back.
    #[error("only who asked for it may take it back")]
    NotRequester,
    /// It is not this call that people agreed to.
    #[error("people agreed to another call than this one")]
    OtherCall,
}

impl Fault {
    /// A name for programs, stable over releases.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Closed(_) => "approval_closed",
            Self::Ended => "approval_ended",
            Self::OwnRequest => "approval_own_request",
            Self::NotAPerson => "approval_not_a_person",
            Self::NotAnApprover => "approval_not_an_approver",
            Self::HandedOver => "approval_handed_over",
            Self::AlreadyAgreed => "approval_already_agreed",
            Self::StepUpNeeded => "step_up_needed",
            Self::Changed => "changed_meanwhile",
            Self::ReasonNeeded => "reason_needed",
            Self::NothingChanged => "nothing_changed",
            Self::TooMany => "too_many_changes",
            Self::BadDelegate => "bad_delegate",
            Self::NotRequester => "approval_not_requester",
            Self::OtherCall => "approval_other_call",
        }
    }
}
