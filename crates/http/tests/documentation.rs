//! The gateway of the front page is that of the pages, so that it compiles there too.

use std::fs;

#[test]
fn the_pages_have_the_gateway_that_compiles() {
    let front_page = include_str!("../src/lib.rs");
    let (_, after) = front_page.split_once("```no_run\n").unwrap();
    let (gateway, _) = after.split_once("//! ```").unwrap();
    let lines = gateway.lines().map(|line| {
        let line = line.strip_prefix("//!").unwrap();
        line.strip_prefix(' ').unwrap_or(line)
    });
    let gateway: String = lines.map(|line| format!("{line}\n")).collect();
    assert!(gateway.contains("fn main()"));
    for page in ["docs/embedding.md", "README.md"] {
        let text = fs::read_to_string(portcullis_tests::root().join(page)).unwrap();
        assert!(text.contains(&gateway), "{page} has another gateway");
    }
}
