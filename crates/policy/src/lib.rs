//! The policy decision point: Cedar schema, evaluation, explanation
