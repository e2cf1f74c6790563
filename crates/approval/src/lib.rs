//! Whether a permitted call needs a person, and the warrant that lets it go
