//! Peers and load of `cargo xtask reach`.
//!
//! | command | duty |
//! |---|---|
//! | `scene FOLDER` | writes keys and a token of a workload, and a check as Envoy sends it |
//! | `alone CONFIG BODY SECONDS` | decides and records without a network |
//! | `permits` | serves `ext_authz` and always permits |
//! | `load URL CONNECTIONS RATE SECONDS [BODY]` | sends requests at a fixed rate |

mod alone;
mod load;
mod permits;
mod scene;

use anyhow::{Context as _, bail};
use std::str::FromStr;

fn main() -> anyhow::Result<()> {
    // Before any thread: this may be the child process that compiles a plugin.
    portcullis_host::compile_if_asked();
    let mut arguments = Arguments(std::env::args().skip(1));
    match arguments.0.next().as_deref() {
        Some("scene") => scene::run(&mut arguments),
        Some("alone") => alone::run(&mut arguments),
        Some("permits") => permits::run(),
        Some("load") => load::run(&mut arguments),
        _ => bail!("the first argument is `scene`, `alone`, `permits` or `load`"),
    }
}

/// Arguments of a command, in their order.
struct Arguments(std::iter::Skip<std::env::Args>);

impl Arguments {
    /// The next argument, which is called `name` in errors.
    fn next<T>(&mut self, name: &str) -> anyhow::Result<T>
    where
        T: FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let text = self.0.next();
        let text = text.with_context(|| format!("{name} is missing"))?;
        text.parse()
            .with_context(|| format!("{name} cannot be read from `{text}`"))
    }
}
