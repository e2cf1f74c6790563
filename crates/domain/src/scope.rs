//! OAuth scopes: few, coarse and hierarchical. They bound what a client may do for its user; what the user
//! may do is policy's part.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog::OperationClass;

/// A scope. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub enum Scope {
    /// `mcp:read`
    #[serde(rename = "mcp:read")]
    Read,
    /// `mcp:write`
    #[serde(rename = "mcp:write")]
    Write,
    /// `mcp:admin`
    #[serde(rename = "mcp:admin")]
    Admin,
}

impl Scope {
    /// All scopes, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The name in tokens and challenges.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "mcp:read",
            Self::Write => "mcp:write",
            Self::Admin => "mcp:admin",
        }
    }

    /// This scope and those that it includes, as a space-separated list. A client asks for all of them,
    /// so that an issuer that knows no hierarchy grants them too.
    pub fn with_included(self) -> &'static str {
        match self {
            Self::Read => "mcp:read",
            Self::Write => "mcp:read mcp:write",
            Self::Admin => "mcp:read mcp:write mcp:admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The scope that an operation of this class needs.
pub fn required_scope(class: OperationClass) -> Scope {
    match class {
        OperationClass::Read => Scope::Read,
        OperationClass::Create | OperationClass::Update | OperationClass::Delete => Scope::Write,
        OperationClass::Admin => Scope::Admin,
    }
}
