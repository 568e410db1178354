//! Serial numbers of certificates, as ids of credentials.

use super::{recording, revoke, with};
use crate::common::Runs;

#[test]
fn revokes_unknown_digits_as_decimal_and_hexadecimal() {
    let folder = recording();
    let issuer = "0123456789abcdef0123456789abcdef";
    let run = |id: &str, more: &[&str]| revoke(&folder, "credential", id, more);
    let exits = |credential: &str, code: i32| {
        folder.evaluate(&with(credential)).exits(code);
    };
    let mut runs = Runs::default();
    for id in ["66219", "0x66220", "01:02:AF", "7", "jti-2"] {
        runs.add(id, run(id, &["--unknown"]));
    }
    runs.is(snapbox::file!["digits.txt"]);
    let of_issuer = format!("x509:{issuer}:102ab");
    for credential in ["66219", "102ab", "01:02:AB", &of_issuer] {
        exits(credential, 2);
    }
    // `0x66220` is not decimal.
    exits("102ac", 0);
    // Without a log, no source knows the id either.
    let log = "[log]\npath = \"decisions.jsonl\"\n";
    folder.replace("portcullis.toml", log, "");
    run("66225", &[]).is(snapbox::str![[r#"
exit 0
-- stdout
{"epoch":7,"at":"[TIME]","kind":"credential","id":"66225","reason":"leaked","by":"alice"}
{"epoch":8,"at":"[TIME]","kind":"credential","id":"102b1","reason":"leaked","by":"alice"}
-- stderr
revoked in revocations.jsonl, epoch 7
revoked in revocations.jsonl, epoch 8
"#]]);
    exits("102b1", 2);
    // The issuer in capitals, and a lift for one issuer.
    let capitals = format!("X509:{}:102C1", issuer.to_uppercase());
    run(&capitals, &["--unknown"]).exits(0);
    exits(&format!("x509:{issuer}:102c1"), 2);
    exits(&format!("x509:{}:102c1", "b".repeat(32)), 0);
    run(&of_issuer, &["--lift"]).is(snapbox::str![[r#"
exit 5
-- stderr
error: revocations.jsonl: `x509:0123456789abcdef0123456789abcdef:102ab` is revoked as `102ab`, for every issuer, so nothing is lifted: lift `102ab`, then revoke the ids of other issuers that must stay revoked
"#]]);
    exits(&of_issuer, 2);
    run("102ab", &["--lift"]).exits(0);
    exits(&of_issuer, 0);
}
