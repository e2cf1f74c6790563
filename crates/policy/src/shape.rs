//! Bounds the depth of policies before they reach the parser.
//!
//! Parser, validator and evaluator walk expressions recursively: a policy of some ten thousand operators would
//! end the whole process by a stack overflow, and one that an administrator pastes must not.

/// Most operators (`&&`, `||`, `!`, `else`, arithmetic) in one policy: each may add a level of depth. The
/// validator overflows a stack of 2 MiB at some 300 levels, and the evaluator gives up before (which denies),
/// in an unoptimised build already at 60.
pub(crate) const OPERATORS_MAX: usize = 64;
/// Longest path (`a.b.c`) between two operators.
pub(crate) const PATH_MAX: usize = 16;
/// Deepest brackets in one policy.
pub(crate) const BRACKETS_MAX: usize = 32;

/// Where a policy begins to be deeper than it may; `None` where none is.
pub(crate) fn too_deep_at(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut operators = 0_usize;
    let mut path = 0_usize;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((offset, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'/' if bytes.peek().is_some_and(|(_, next)| *next == b'/') => {
                while bytes.next_if(|(_, byte)| *byte != b'\n').is_some() {}
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b';' => (depth, operators, path) = (0, 0, 0),
            b',' => path = 0,
            b'.' => path += 1,
            b'&' | b'|' | b'!' | b'-' | b'+' | b'*' => {
                operators += 1;
                path = 0;
                // `&&` and `||` are one.
                bytes.next_if(|(_, next)| matches!(byte, b'&' | b'|') && *next == byte);
            }
            b'e' if text
                .get(offset..)
                .is_some_and(|rest| rest.starts_with("else")) =>
            {
                operators += 1;
                path = 0;
            }
            _ => {}
        }
        if depth > BRACKETS_MAX || operators > OPERATORS_MAX || path > PATH_MAX {
            return Some(offset);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_policy_by_itself_and_no_text() {
        let policy = "permit(principal, action, resource) when { a && b };\n";
        assert_eq!(too_deep_at(&policy.repeat(1_000)), None);
        let quoted = format!("@notice(\"{}\\\"\") permit();", "(&&".repeat(1_000));
        assert_eq!(too_deep_at(&quoted), None);
        let comment = format!("// {}\npermit();", "(!".repeat(1_000));
        assert_eq!(too_deep_at(&comment), None);
        assert_eq!(too_deep_at(&"a && ".repeat(OPERATORS_MAX)), None);
        assert!(too_deep_at(&"a && ".repeat(OPERATORS_MAX + 1)).is_some());
        assert!(too_deep_at(&".a".repeat(PATH_MAX + 1)).is_some());
        assert_eq!(too_deep_at(&"a.b.c && ".repeat(OPERATORS_MAX)), None);
        assert!(too_deep_at(&"[".repeat(BRACKETS_MAX + 1)).is_some());
        assert!(too_deep_at(&".a".repeat(PATH_MAX + 1)).is_some());
        assert_eq!(too_deep_at(&"a.b.c && ".repeat(OPERATORS_MAX)), None);
        assert!(too_deep_at(&"if a then b else ".repeat(OPERATORS_MAX + 1)).is_some());
    }
}
