//! `portcullis intent narrow`.

use super::{APPROVER, LEAD, approved, folder, intent, read};
use serde_json::{Value, json};
use snapbox::str;

#[test]
fn narrows_an_intent_to_the_recorded_requests() {
    let folder = folder();
    let mut flags = vec!["draft", "--principal", LEAD];
    flags.extend(["--allow", "files", "*", "**"]);
    flags.extend(["--allow", "mails", "*", "**"]);
    flags.extend(["--required-argument", "/path"]);
    flags.extend(["--purpose", "anything", "--approver", APPROVER]);
    let wide = approved(&folder, &flags, "alice", "wide");
    let narrow = |file: &str| intent(&folder, &["narrow", file, "--log", "decisions.jsonl"]);
    {
        let pdp = folder.host();
        narrow("intents/wide.jwt").is(str![[r#"
exit 3
-- stderr
error: the log has no permit on intent `int-[ID]`: close it, if it is not needed
"#]]);
        let request = read(LEAD, "/w/a").intent(&wide["id"]);
        for _ in 0..2 {
            assert!(request.decide(&pdp).is_permit());
        }
    }
    let narrowed = narrow("intents/wide.jwt");
    narrowed.is(snapbox::file!["narrowed.txt"]);
    assert_ne!(narrowed.json()["id"], wide["id"]);

    // An allowance with a maximum of uses is not split, because each part would count separately. It is another
    // intent, which no request used.
    let mut counted: Value = wide;
    counted["allows"][0]["max-uses"] = json!(9);
    folder.write("wide.json", counted.to_string());
    narrow("wide.json").is(str![[r#"
exit 3
-- stderr
error: the log has no permit on intent `int-[ID]`: close it, if it is not needed
"#]]);
}
