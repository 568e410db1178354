//! nginx with `auth_request`. It proves itself by the user of its process, on a Unix socket.

use crate::setting::{self, Proxy, Setting};
use crate::suite::{self, Traits};
use crate::tools::Tool;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The command for a configuration, which is included as Debian includes it.
fn nginx(program: &Path, setting: &Setting) -> Command {
    setting.write("nginx", "nginx.conf");
    let folder = setting.folder.path();
    let here = folder.display();
    let around = format!(
        "daemon off; master_process off; pid {here}/nginx.pid; error_log stderr;\n\
         events {{}}\n\
         http {{\n\
         access_log off;\n\
         client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;\n\
         uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;\n\
         include {here}/nginx.conf;\n\
         }}\n"
    );
    let file = folder.join("around.conf");
    fs::write(&file, around).unwrap();
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(file);
    command
}

#[test]
fn lets_through_what_is_permitted_and_nothing_else() {
    let Some(program) = Tool::Nginx.program() else {
        return;
    };
    let setting = Setting::start("nginx");
    let mut command = nginx(&program, &setting);
    setting::is_valid(nginx(&program, &setting).arg("-t"), setting.folder.path());
    let mut proxy = Proxy::start(setting, &mut command);
    let traits = Traits {
        passes_problems: false,
        while_down: 500,
    };
    suite::run(&proxy, traits);
    suite::fails_without_decisions(&mut proxy, traits);
}

#[test]
fn gets_no_permit_as_another_user() {
    let Some(program) = Tool::Nginx.program() else {
        return;
    };
    let mut setting = Setting::prepare("nginx");
    setting.replace("uid = 33 ", "uid = 4294967294 ");
    let setting = setting.serve();
    let mut command = nginx(&program, &setting);
    suite::gets_no_permit(&Proxy::start(setting, &mut command));
}
