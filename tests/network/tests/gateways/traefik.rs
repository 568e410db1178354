//! Traefik with the middleware `forwardAuth`. It proves itself by an X.509-SVID.

use crate::setting::{Proxy, Setting};
use crate::suite::{self, Traits};
use crate::tools::Tool;
use std::path::Path;
use std::process::Command;

/// The command for a configuration. Traefik has none that only checks it.
fn traefik(program: &Path, setting: &Setting) -> Command {
    setting.write("traefik", "dynamic.yml");
    let file = setting.write("traefik", "traefik.yml");
    let mut command = Command::new(program);
    command.arg(format!("--configFile={}", file.display()));
    command
}

#[test]
fn lets_through_what_is_permitted_and_nothing_else() {
    let Some(program) = Tool::Traefik.program() else {
        return;
    };
    let setting = Setting::start("traefik");
    let mut command = traefik(&program, &setting);
    let mut proxy = Proxy::start(setting, &mut command);
    let traits = Traits {
        passes_problems: true,
        while_down: 500,
    };
    suite::run(&proxy, traits);
    suite::fails_without_decisions(&mut proxy, traits);
}

#[test]
fn gets_no_permit_with_another_identity() {
    let Some(program) = Tool::Traefik.program() else {
        return;
    };
    let mut setting = Setting::prepare("traefik");
    setting.replace("/gateway/traefik", "/gateway/other");
    let setting = setting.serve();
    let mut command = traefik(&program, &setting);
    suite::gets_no_permit(&Proxy::start(setting, &mut command));
}
