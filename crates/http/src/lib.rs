//! Decides HTTP requests: a tower layer, an axum extractor, and the mapper that they share.

#![forbid(unsafe_code)]
