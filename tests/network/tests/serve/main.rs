//! The server over real connections, with a real plugin.

mod admin;
mod certification;
mod client;
mod events;
mod life;
mod limits;
#[cfg(feature = "otlp")]
mod otlp;
mod overload;
mod peps;
mod receiver;
mod reload;
mod setting;
mod settings;
mod ship;
