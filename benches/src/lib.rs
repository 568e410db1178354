//! What a decision costs. The benches are in `benches/`.
