//! Sekimori: the one gate between generative AI and business systems
fn main() {}
