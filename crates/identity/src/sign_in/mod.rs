//! People signing in with a browser: at the company's identity provider, or here.
//!
//! What a browser holds are two cookies, both random and neither stored: the *session*, by which it is
//! known who is signed in ([`SignedIn`]), and the *browser key*, by which it is known that a sign-in ends
//! where it began ([`Browser`]). A session's cookie changes with every sign-in and every step-up.

mod session;

pub use session::{
    BROWSER_KEY_LIFETIME, Browser, OpenedSession, SESSION_IDLE, SESSION_LIFETIME, SessionError,
    SessionKeeper, SignedIn, Vouched,
};
