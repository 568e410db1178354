//! Lines that are delivered from one copy of a list to another.

use super::*;
use std::path::Path;

const MINUTE: Duration = Duration::from_secs(60);

/// A list with a checkpoint, and a copy of it.
fn copies(name: &str) -> (PathBuf, PathBuf) {
    let (list, copy) = (file(name), file(&format!("{name}-copy")));
    append(&list, None, NOW).unwrap();
    std::fs::copy(&list, &copy).unwrap();
    (list, copy)
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).unwrap().len()
}

fn remove(files: &[&Path]) {
    for file in files {
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_delivered_line_revokes_at_once_and_only_once() {
    let (list, copy) = copies("delivered");
    let published = Revocations::follow(&list, MINUTE).unwrap();
    let copied = Revocations::follow(&copy, MINUTE).unwrap();
    assert_eq!(published.part_from(length(&copy)), Ok(None), "nothing new");
    append(&list, Some(revoked("a")), NOW).unwrap();
    let part = published.part_from(length(&copy)).unwrap().unwrap();
    assert_eq!(copied.append_part(&part), Ok(true));
    let known = copied.now_known();
    assert!(known.find(Revocable::Credential, "a").is_some());
    drop(known);
    assert_eq!(copied.append_part(&part), Ok(false), "delivered again");
    assert_eq!(std::fs::read(&list).unwrap(), std::fs::read(&copy).unwrap());
    remove(&[&list, &copy]);
}

#[test]
fn lines_of_another_list_are_not_appended() {
    let (list, copy) = copies("another");
    let published = Revocations::follow(&list, MINUTE).unwrap();
    let copied = Revocations::follow(&copy, MINUTE).unwrap();
    let from = length(&copy);
    append(&list, Some(revoked("a")), NOW).unwrap();
    let first = published.part_from(from).unwrap().unwrap();
    append(&list, Some(revoked("b")), NOW).unwrap();
    let second = published.part_from(first.end()).unwrap().unwrap();
    let before = std::fs::read(&copy).unwrap();
    let not_continued = |part: &Part| {
        let refused = copied.append_part(part);
        assert!(
            matches!(refused, Err(ListError::NotContinued(_))),
            "{refused:?}"
        );
        assert_eq!(std::fs::read(&copy).unwrap(), before);
    };
    not_continued(&second);
    not_continued(&Part {
        before: "00".repeat(32),
        ..first.clone()
    });
    // The right place, but the epoch of another line.
    let skipped = Part {
        lines: second.lines.clone(),
        ..first.clone()
    };
    let refused = copied.append_part(&skipped);
    assert!(
        matches!(refused, Err(ListError::Line { .. })),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(&copy).unwrap(), before);
    assert_eq!(copied.append_part(&first), Ok(true));
    assert_eq!(copied.append_part(&second), Ok(true));
    remove(&[&list, &copy]);
}

#[test]
fn a_copy_gets_no_lines_of_its_own() {
    let (list, copy) = copies("only-copies");
    let published = Revocations::follow(&list, MINUTE).unwrap();
    let copied = Revocations::follow(&copy, MINUTE).unwrap();
    copied.only_copies();
    let event = Event {
        id: "https://idp.acme.example evt-1".to_owned(),
        revoked: vec![revoked("a")],
        domains: Vec::new(),
        left_out: Vec::new(),
    };
    assert_eq!(copied.accept(&event), Err(ListError::Copy));
    assert_eq!(copied.checkpoint(NOW), Err(ListError::Copy));
    let from = length(&copy);
    published.accept(&event).unwrap();
    let part = published.part_from(from).unwrap().unwrap();
    assert_eq!(copied.append_part(&part), Ok(true));
    let known = copied.now_known();
    assert!(known.find(Revocable::Credential, "a").is_some());
    drop(known);
    remove(&[&list, &copy]);
}

#[cfg(feature = "identity")]
#[test]
fn a_signed_copy_takes_only_lines_that_a_signer_signed() {
    use std::sync::Arc;
    let (jwks, signers, ours, theirs) = signed::signers("delivered-signers");
    let (list, copy) = (file("delivered-signed"), file("delivered-signed-copy"));
    let writer = || ListWriter::open_signed(&list, Some(&ours), Some(Arc::new(signers())));
    writer().unwrap().checkpoint(NOW).unwrap();
    std::fs::copy(&list, &copy).unwrap();
    let follow = |file: &Path| Revocations::follow_signed(file, MINUTE, signers(), None).unwrap();
    let (published, copied) = (follow(&list), follow(&copy));
    let from = length(&copy);
    writer().unwrap().revoke(revoked("a"), NOW).unwrap();
    let part = published.part_from(from).unwrap().unwrap();
    let before = std::fs::read(&copy).unwrap();
    let refused = |lines: &str| {
        let lines = lines.to_owned();
        let refused = copied.append_part(&Part {
            lines,
            ..part.clone()
        });
        assert!(
            matches!(refused, Err(ListError::NotSigned(_))),
            "{refused:?}"
        );
        assert_eq!(std::fs::read(&copy).unwrap(), before);
    };
    let (revocation, head) = part.lines.split_once('\n').unwrap();
    refused(&format!("{revocation}\n"));
    refused(&format!(
        "{}\n{head}",
        revocation.replace("jti", "jtj").replace("\"a\"", "\"b\"")
    ));
    let forged = file("delivered-forged");
    std::fs::copy(&copy, &forged).unwrap();
    let forger = ListWriter::open_signed(&forged, Some(&theirs), None).unwrap();
    forger.revoke(revoked("a"), NOW).unwrap();
    let forged_lines = std::fs::read_to_string(&forged).unwrap();
    refused(&forged_lines[usize::try_from(from).unwrap()..]);
    assert_eq!(copied.append_part(&part), Ok(true));
    assert_eq!(copied.unreliable(), None);
    remove(&[&list, &copy, &forged, &jwks]);
}
