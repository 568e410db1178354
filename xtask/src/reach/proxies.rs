//! Envoy's `ext_authz` over gRPC, beside a handler that always permits.

use super::figure::{Figure, median};
use super::load::{CONNECTIONS, ROUNDS, Script, answers};
use super::process::{Running, output};
use super::server::{Server, cache, urls};
use super::tools::{envoy, h2load, wrk};
use super::{Bench, Site};
use crate::steps::root;
use anyhow::{Context as _, ensure};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Path of the service.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Token of Envoy in the examples, and here.
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// Streams at a time of the one connection, which Envoy has for each of its threads.
const STREAMS: &str = "32";

/// The decision point of `examples/gateways/envoy`, and the handler.
struct Pair {
    server: Server,
    handler: Running,
    handler_url: String,
    /// The files of both. It is dropped last.
    site: Site,
}

impl Pair {
    fn start(bench: &Bench, name: &str) -> anyhow::Result<Self> {
        let site = bench.site(name)?;
        output(
            std::process::Command::new(&bench.programs.peers)
                .arg("scene")
                .arg(site.path()),
        )?;
        let token = site.write("pep.token", TOKEN)?;
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600))?;
        let config = example("portcullis.toml")?;
        let plugin = format!("{:?}", bench.programs.plugin);
        let config = replaced(
            &config,
            &[
                ("\"http-api.wasm\"", &plugin),
                (
                    "path = \"decisions.jsonl\"",
                    "path = \"decisions.jsonl\"\ndurability = \"buffered\"",
                ),
            ],
        )?;
        site.write("portcullis.toml", format!("{}\n{config}", cache(bench)))?;
        let server = Server::pinned(bench, site.path())?;
        let mut command = bench.cores.server(&bench.programs.peers);
        let said = site.path().join("handler.log");
        let mut handler = Running::start("the handler", command.arg("permits"), said)?;
        let handler_url = handler.until("listening", |it| urls(&it.said()).into_iter().next())?;
        Ok(Self {
            server,
            handler,
            handler_url,
            site,
        })
    }
}

/// Processor time of a check, beyond that of the handler.
pub(super) fn processor_time(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    h2load()?;
    let pair = Pair::start(bench, "ext-authz")?;
    let check = pair.site.path().join("check.grpc");
    let bytes = fs::metadata(&check)?.len();
    let seconds = bench.time.as_secs_f64().ceil().to_string();
    let pep = format!("authorization: Bearer {TOKEN}");
    let file = check.to_string_lossy();
    let arguments = ["-c1", "-m", STREAMS, "-D", &seconds, "-d", &file];
    let headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"];
    let arguments = [&arguments[..], &headers[..], &["-H", &pep]].concat();
    // Microseconds of a check.
    let of = |running: &Running, url: &str| -> anyhow::Result<f64> {
        let before = running.processor_time()?;
        let answered = answers(bench, &arguments, &format!("{url}{CHECK}"))?;
        let took = running.processor_time()? - before;
        Ok(took.as_secs_f64() * 1e6 / answered)
    };
    let before = pair.server.counted()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(of(&pair.server.running, &pair.server.url)?);
        theirs.push(of(&pair.handler, &pair.handler_url)?);
    }
    pair.server.not_permitted(before)?;
    let beyond = ours.iter().zip(&theirs).map(|(ours, theirs)| ours - theirs);
    Ok(vec![
        Figure::at_most(
            "`ext_authz`: processor time beyond a handler that always permits",
            25.0,
            " µs",
            median(beyond.collect()),
        )
        .inputs(format!(
            "{:.1}, {:.1} µs of processor time for a check; a message of {bytes} bytes, one connection with {STREAMS} streams, buffered log",
            median(ours),
            median(theirs)
        )),
    ])
}

/// Calls through Envoy in a second, beside the same Envoy with the handler.
pub(super) fn behind_envoy(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    wrk()?;
    let program = envoy()?;
    let pair = Pair::start(bench, "envoy")?;
    let before = pair.server.counted()?;
    let folder = pair.site.path();
    let token = fs::read_to_string(folder.join("workload.token"))?;
    let bearer = format!("Bearer {token}");
    let headers = [
        ("Host", "api.acme.example"),
        ("Authorization", bearer.as_str()),
    ];
    let script = Script::get(&pair.site, &headers)?;
    let ours = Envoy::start(bench, &program, &pair.site, "ours", &pair.server.url)?;
    let theirs = Envoy::start(bench, &program, &pair.site, "theirs", &pair.handler_url)?;
    // Without a token, the decision point refuses and the handler permits.
    ensure!(
        status(&ours.url)? == 401 && status(&theirs.url)? == 200,
        "Envoy does not ask: {} {}",
        ours.running.said(),
        theirs.running.said()
    );
    let (mut rates, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..ROUNDS {
        let round = [
            script.per_second(bench, &ours.url)?,
            script.per_second(bench, &theirs.url)?,
        ];
        ratios.push(round[0] / round[1]);
        for (rates, rate) in rates.iter_mut().zip(round) {
            rates.push(rate);
        }
    }
    pair.server.not_permitted(before)?;
    let [ours, theirs] = rates.map(median);
    Ok(vec![
        Figure::at_least(
            "behind Envoy: `ext_authz` / a handler that always permits",
            0.65,
            "",
            median(ratios),
        )
        .inputs(format!(
            "{ours:.0}, {theirs:.0} calls a second; {CONNECTIONS} connections, Envoy with one thread on the processor of the servers, a fixed answer after the permit"
        )),
    ])
}

/// Envoy with the configuration of the example, which answers permitted calls itself.
struct Envoy {
    running: Running,
    url: String,
}

impl Envoy {
    fn start(
        bench: &Bench,
        program: &Path,
        site: &Site,
        name: &str,
        decisions: &str,
    ) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let decisions: SocketAddr = decisions.trim_start_matches("http://").parse()?;
        let config = replaced(
            &example("envoy.yaml")?,
            &[
                (
                    "port_value: 8080",
                    &format!("port_value: {}", address.port()),
                ),
                (
                    "port_value: 8181",
                    &format!("port_value: {}", decisions.port()),
                ),
                ("PEP-TOKEN", TOKEN),
                (
                    "route: { cluster: api }",
                    "direct_response: { status: 200, body: { inline_string: \"api\" } }",
                ),
            ],
        )?;
        let file = site.write(&format!("{name}.yaml"), config)?;
        let mut command = bench.cores.server(program);
        command.arg("--config-path").arg(file);
        command.args(["--disable-hot-restart", "--concurrency", "1"]);
        command.args(["--log-level", "warn"]);
        let said = site.path().join(format!("{name}.log"));
        let mut running = Running::start("Envoy", &mut command, said)?;
        let url = format!("http://{address}/v1/invoices/7");
        // While it starts, and before it has a connection to decisions, it answers 503.
        running.until("ready", |_| status(&url).ok().filter(|it| *it != 503))?;
        Ok(Self { running, url })
    }
}

/// Status of a call without credentials.
fn status(url: &str) -> anyhow::Result<u16> {
    let answer = super::server::client().get(url).call()?;
    Ok(answer.status().as_u16())
}

/// A file of the example.
fn example(name: &str) -> anyhow::Result<String> {
    let file = root().join("examples/gateways/envoy").join(name);
    fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// The text with other parts, each of which has to be in it.
fn replaced(text: &str, parts: &[(&str, &str)]) -> anyhow::Result<String> {
    let mut text = text.to_owned();
    for (part, by) in parts {
        ensure!(text.contains(part), "the example has no `{part}` any more");
        text = text.replace(part, by);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_have_the_parts_that_are_replaced() {
        let config = example("portcullis.toml").unwrap();
        assert!(
            replaced(
                &config,
                &[
                    ("\"http-api.wasm\"", ""),
                    ("path = \"decisions.jsonl\"", "")
                ]
            )
            .is_ok()
        );
        let envoy = example("envoy.yaml").unwrap();
        let parts = [
            "port_value: 8080",
            "port_value: 8181",
            "PEP-TOKEN",
            "route: { cluster: api }",
        ];
        assert!(replaced(&envoy, &parts.map(|part| (part, ""))).is_ok());
        assert!(replaced(&envoy, &[("port_value: 1", "")]).is_err());
    }
}
