//! Decides for ever, and prints each decision. The test that kills it compares them with the log.

use portcullis_host::{Intent, Pdp, Principal, Request, Resource};
use std::io::Write as _;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (config, name) = (
        arguments.next().unwrap_or_default(),
        arguments.next().unwrap_or_default(),
    );
    let pdp = Pdp::from_file(config)?;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (pdp, name) = (&pdp, &name);
            scope.spawn(move || {
                for number in 0.. {
                    let credential = format!("{name}-{thread}-{number}");
                    let principal = Principal {
                        id: "spiffe://acme.example/a".into(),
                        credential_id: credential.clone(),
                        ..Principal::default()
                    };
                    let resource = Resource {
                        id: "r".into(),
                        ..Resource::default()
                    };
                    let request = Request::builder("x", principal, "a", resource)
                        .intent(Intent {
                            id: "int-1".into(),
                            ..Intent::default()
                        })
                        .build(pdp.request_limits())
                        .expect("a request");
                    let decision = pdp.evaluate(&request);
                    let line = format!("{credential} {}\n", decision.cause());
                    // One write per line, so that the last line is complete or missing.
                    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
                        return;
                    }
                    let _ = std::io::stdout().flush();
                }
            });
        }
    });
    Ok(())
}
