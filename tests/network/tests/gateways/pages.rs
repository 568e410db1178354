//! The pages of `docs/gateways` quote the files that these tests start the proxies with.

use crate::setting::examples;
use std::collections::BTreeSet;
use std::fs;

/// Every page, with the languages of its quotations and the files that they are from.
const PAGES: [(&str, &[(&str, &str)]); 4] = [
    (
        "nginx",
        &[("nginx", "nginx.conf"), ("toml", "portcullis.toml")],
    ),
    (
        "envoy",
        &[("yaml", "envoy.yaml"), ("toml", "portcullis.toml")],
    ),
    (
        "traefik",
        &[("yaml", "dynamic.yml"), ("toml", "portcullis.toml")],
    ),
    (
        "caddy",
        &[("caddyfile", "Caddyfile"), ("toml", "portcullis.toml")],
    ),
];

#[test]
fn every_quotation_is_a_part_of_the_file_that_is_tested() {
    for (page, sources) in PAGES {
        let file = portcullis_tests::root().join(format!("docs/gateways/{page}.md"));
        let text = fs::read_to_string(&file).unwrap();
        let mut quoted = BTreeSet::new();
        for (language, quotation) in fences(&text) {
            let Some((_, name)) = sources.iter().find(|(own, _)| *own == language) else {
                assert!(
                    ["sh", "json", "text"].contains(&language),
                    "{page}: {language}"
                );
                continue;
            };
            let source = fs::read_to_string(examples().join(page).join(name)).unwrap();
            assert!(
                source.contains(&dedented_in(&source, quotation)),
                "docs/gateways/{page}.md quotes what examples/gateways/{page}/{name} does not have:\n{quotation}"
            );
            quoted.insert(*name);
        }
        let all: BTreeSet<_> = sources.iter().map(|(_, name)| *name).collect();
        assert_eq!(
            quoted, all,
            "docs/gateways/{page}.md quotes each of its files"
        );
        assert!(
            text.contains(&format!("examples/gateways/{page}")),
            "{page} names the folder"
        );
    }
}

/// The pages have the gateway of the front page of `portcullis-http`, which compiles.
#[test]
fn the_pages_have_the_gateway_that_compiles() {
    let front_page = include_str!("../../../../crates/http/src/lib.rs");
    let (_, after) = front_page.split_once("```no_run\n").unwrap();
    let (gateway, _) = after.split_once("//! ```").unwrap();
    let lines = gateway.lines().map(|line| {
        let line = line.strip_prefix("//!").unwrap();
        line.strip_prefix(' ').unwrap_or(line)
    });
    let gateway: String = lines.map(|line| format!("{line}\n")).collect();
    assert!(gateway.contains("fn main()"));
    for page in ["README.md", "docs/embedding.md", "docs/gateways/axum.md"] {
        let text = fs::read_to_string(portcullis_tests::root().join(page)).unwrap();
        assert!(
            fences(&text).contains(&("rust", &gateway)),
            "{page} has another gateway"
        );
    }
}

/// The fenced parts of a page, with their languages.
fn fences(text: &str) -> Vec<(&str, &str)> {
    let parts: Vec<_> = text.split("```").collect();
    assert!(parts.len() % 2 == 1, "a fence is not closed");
    let fenced = parts.into_iter().skip(1).step_by(2);
    fenced.map(|part| part.split_once('\n').unwrap()).collect()
}

/// The quotation with the indentation that its first line has in the source.
fn dedented_in(source: &str, quotation: &str) -> String {
    let first = quotation.lines().next().unwrap_or_default();
    let line = source
        .lines()
        .find(|line| line.trim_start() == first.trim_start());
    let indentation = line.map_or(0, |line| line.len() - line.trim_start().len());
    let extra = indentation - (first.len() - first.trim_start().len()).min(indentation);
    let lines = quotation.lines().map(|line| match line.is_empty() {
        true => String::new(),
        false => format!("{}{line}", &" ".repeat(extra)),
    });
    lines.map(|line| line + "\n").collect()
}
