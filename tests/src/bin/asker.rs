//! Decides so many requests of one plugin, and prints how many ended in each cause.
//!
//! A test stops it again and again, as a quota of processor time does.

use portcullis_host::{Integration, Pdp, Plugin, PluginSource};
use std::collections::BTreeMap;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let component = std::fs::read(arguments.next().unwrap_or_default())?;
    let requests: u64 = arguments.next().unwrap_or_default().parse()?;
    // With its default deadline of 10 ms.
    let plugin = Plugin::load(&PluginSource::new(component).compile_in_process())?;
    let pdp = Pdp::builder()
        .integration(Integration::new("x").plugin(plugin))
        .build()?;
    let request = portcullis_tests::requests::request("x", "a", "r");
    println!("ready");
    let mut causes = BTreeMap::new();
    for _ in 0..requests {
        *causes
            .entry(pdp.evaluate(&request).cause().to_string())
            .or_insert(0_u64) += 1;
    }
    println!("{}", serde_json::to_string(&causes)?);
    Ok(())
}
