//! A proposal of hundreds of requests, and requests beside those that it permits.

use super::{FIXER, PROPOSE, RECONCILER, observe, with_credential, with_reference_plugins};
use crate::common::Request;
use portcullis_host::log::{self, Event};
use portcullis_host::{ListAsOf, config};
use portcullis_tests::random::Random;
use serde_json::{Value, json};

/// Requests that look random, and are the same in each run.
struct Requests(Random);

impl Requests {
    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// Some of the names, each with a value.
    fn members(&mut self, names: &[&str]) -> Value {
        let mut members = json!({});
        for name in names {
            if self.below(2) == 0 {
                members[*name] = json!(format!("{}", self.below(5)));
            }
        }
        members
    }

    fn http(&mut self, integration: &str) -> Request {
        let mut path = format!("/v1/{}", self.one(&["users", "orders", "items"]));
        for collection in ["", "lines", "notes"].into_iter().take(self.below(4)) {
            if !collection.is_empty() {
                path = format!("{path}/{collection}");
            }
            let id = self.below(6);
            path = match self.below(3) {
                0 => format!("{path}/{id}"),
                1 => format!("{path}/inv-{id}"),
                _ => format!("{path}/{}", self.one(&["all", "mine", "latest"])),
            };
        }
        let mut arguments = json!({});
        if self.below(2) == 0 {
            arguments["query"] = self.members(&["limit", "page", "q"]);
        }
        if self.below(2) == 0 {
            arguments["headers"] = self.members(&["accept", "X-Source"]);
        }
        if self.below(3) == 0 {
            arguments["body"] = self.members(&["total", "note"]);
        }
        let method = self.one(&["GET", "GET", "POST", "DELETE"]);
        let principal = self.one(&[RECONCILER, FIXER]);
        let request = Request::new(integration, method)
            .principal(principal)
            .resource(&path)
            .arguments(&arguments);
        with_credential(request)
    }

    fn tool(&mut self, integration: &str) -> Request {
        let folder = self.one(&["/w/a", "/w/b/c", "/w"]);
        let mut arguments = json!({ "path": format!("{folder}/{}.md", self.below(9)) });
        if self.below(2) == 0 {
            arguments["head"] = json!(self.below(4));
        }
        if self.below(3) == 0 {
            arguments["text"] = json!(self.one(&["a", "b", "c", "d"]));
        }
        if self.below(4) == 0 {
            arguments["options"] = json!({ "deep": true });
        }
        let name = self.one(&["read_file", "write_file", "list"]);
        with_credential(
            Request::new(integration, name)
                .principal(self.one(&[RECONCILER, FIXER]))
                .arguments(&arguments),
        )
    }
}

/// The proposal permits every request that was seen, and none with another path, method or name of an argument.
#[test]
fn a_proposal_permits_what_was_seen_and_not_its_neighbours() {
    let folder = with_reference_plugins();
    let mut drawn = Requests(Random::seeded(7));
    let mut requests = Vec::new();
    for integration in ["http-0", "http-1", "http-2"] {
        requests.extend((0..60).map(|_| drawn.http(integration)));
    }
    for integration in ["tools-0", "tools-1"] {
        requests.extend((0..40).map(|_| drawn.tool(integration)));
    }
    observe(&folder, &requests);
    let ran = folder.run(&PROPOSE);
    ran.exits(0);
    assert!(
        ran.out.contains("260 of 260 requests would be permitted"),
        "{ran}"
    );

    let pdp = config::check(&folder.path().join("proposal/portcullis.toml")).pdp;
    let pdp = pdp.expect("a usable proposal");
    let (mut seen, mut neighbours) = (0, 0);
    log::read(&folder.path().join("observed.jsonl"), |_, _, _, entry| {
        let Event::Decision(decided) = &entry.event else {
            return Ok(());
        };
        let permits = |evaluation: &Value| {
            let text = evaluation.to_string();
            let request = pdp.read_authzen(text.as_bytes()).unwrap();
            let again = pdp.evaluate_again(&request, entry.at, &decided.inputs, ListAsOf::Then);
            again.is_permit()
        };
        let request = &decided.request;
        assert!(permits(request), "{request:#}");
        seen += 1;
        let with = |pointer: &str, value: Value| {
            let mut neighbour = request.clone();
            let (object, name) = pointer.rsplit_once('/').unwrap();
            let object = neighbour.pointer_mut(object).unwrap();
            object[name] = value;
            neighbour
        };
        let mut all = vec![
            with("/action/name", json!("PATCH")),
            with("/action/name", json!("delete_file")),
            with(
                "/subject/id",
                json!("spiffe://acme.example/ns/dev/agent/other"),
            ),
            with("/context/integration", json!("http-9")),
            with("/subject/properties/attestation", json!("bearer-token")),
        ];
        let integration = request["context"]["integration"].as_str().unwrap();
        if integration.starts_with("http") {
            let path = request["resource"]["id"].as_str().unwrap();
            for other in [
                format!("{path}/other"),
                path.replacen("/v1/", "/v2/", 1),
                path.replacen("/v1/", "/v1/admin/", 1),
                format!("{path}/../../v1/users"),
                format!("{path}/"),
            ] {
                all.push(with("/resource/id", json!(other)));
            }
            for part in ["query", "headers"] {
                let mut neighbour = request.clone();
                neighbour["action"]["properties"][part]["other"] = json!("1");
                all.push(neighbour);
            }
        } else {
            let mut neighbour = request.clone();
            neighbour["action"]["properties"]["other"] = json!("1");
            all.push(neighbour);
            all.push(with("/action/properties/path", json!("/etc/passwd")));
        }
        for neighbour in all {
            assert!(!permits(&neighbour), "{neighbour:#}");
            neighbours += 1;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, 260);
    assert!(neighbours > 2000, "{neighbours}");
}
