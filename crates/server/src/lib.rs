//! A decision point behind AuthZEN, forward authentication and Envoy's ext_authz.

#![forbid(unsafe_code)]
