//! Real nginx, Envoy, Traefik and Caddy in front of a decision point, with the files of `examples/gateways`.
//!
//! Each is started on the loopback interface, on free ports, and stopped with the test. See [`tools`] for those that
//! cannot be had.

#![cfg(unix)]

mod caddy;
mod certificates;
mod direct;
mod envoy;
mod http;
mod nginx;
mod pages;
mod server;
mod setting;
mod suite;
mod tools;
mod traefik;
