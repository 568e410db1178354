//! The server over real connections, with a real plugin.

mod admin;
mod certification;
mod client;
mod events;
mod life;
mod limits;
mod peps;
mod reload;
mod setting;
mod settings;
