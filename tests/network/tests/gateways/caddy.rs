//! Caddy with `forward_auth`. It proves itself by a bearer token.

use crate::setting::{self, Proxy, Setting};
use crate::suite::{self, Traits};
use crate::tools::Tool;
use std::fs;
use std::path::Path;
use std::process::Command;

fn caddy(program: &Path, setting: &Setting, verb: &str) -> Command {
    let file = setting.write("caddy", "Caddyfile");
    let mut command = Command::new(program);
    command
        .arg(verb)
        .arg("--adapter")
        .arg("caddyfile")
        .arg("--config")
        .arg(file);
    command
}

#[test]
fn lets_through_what_is_permitted_and_nothing_else() {
    let Some(program) = Tool::Caddy.program() else {
        return;
    };
    let setting = Setting::start("caddy");
    let folder = setting.folder.path();
    setting::is_valid(&mut caddy(&program, &setting, "validate"), folder);
    let mut command = caddy(&program, &setting, "run");
    let mut proxy = Proxy::start(setting, &mut command);
    let traits = Traits {
        passes_problems: true,
        while_down: 502,
    };
    suite::run(&proxy, traits);
    suite::fails_without_decisions(&mut proxy, traits);
}

#[test]
fn gets_no_permit_with_another_token() {
    let Some(program) = Tool::Caddy.program() else {
        return;
    };
    let setting = Setting::start("caddy");
    let mut command = caddy(&program, &setting, "run");
    fs::write(setting.folder.path().join("pep.token"), "another token").unwrap();
    suite::gets_no_permit(&Proxy::start(setting, &mut command));
}
