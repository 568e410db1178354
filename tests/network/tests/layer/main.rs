//! A gateway with the layer, a real decision point and the plugin `http-api`.

mod attacks;
mod calls;
mod credentials;
mod obligations;
mod setting;
