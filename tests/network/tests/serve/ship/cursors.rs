//! Positions of shipping: logs, archives and cursors that are not those that shipping left.

use super::*;
use portcullis_host::log::archive;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_replaced_or_cut_is_named_and_not_shipped() {
    let receiver = Receiver::start();
    let folder = Folder::with(&ship(&receiver, "jsonl", ""));
    let running = folder.serve().await;
    decide(&running, 3).await;
    all_arrive(&receiver, &folder, &running).await;
    assert!(running.stop().await);
    let before = receiver.got().len();
    // Another log, which is longer in the end than the one that was shipped.
    for suffix in ["", ".head"] {
        fs::remove_file(folder.path().join(format!("decisions.jsonl{suffix}"))).unwrap();
    }
    let running = folder.serve().await;
    until("it is named", || async {
        let problem = state(&running).await["problem"].clone();
        problem
            .as_str()
            .is_some_and(|it| it.contains("lines at its end are gone"))
    })
    .await;
    decide(&running, 6).await;
    // The pause grows with each failure, and a reload begins it anew.
    running.admin(post("/reload", &json!({}))).await;
    until("it is still named", || async {
        let problem = state(&running).await["problem"].clone();
        problem
            .as_str()
            .is_some_and(|it| it.contains("that was read before"))
    })
    .await;
    let state_now = state(&running).await;
    let problem = state_now["problem"].as_str().unwrap();
    assert!(problem.contains("decisions.jsonl.shipped"), "{problem}");
    assert_eq!(receiver.got().len(), before);
    // Without the file, the operator accepts that the other log is shipped from its beginning.
    fs::remove_file(folder.path().join("decisions.jsonl.shipped")).unwrap();
    running.admin(post("/reload", &json!({}))).await;
    let count = written(&folder).len();
    until("the other log arrives", || async {
        let lines: usize = receiver.got()[before..]
            .iter()
            .map(|got| got.lines().len())
            .sum();
        lines >= count
    })
    .await;
    let got = receiver.got();
    let lines: Vec<_> = got[before..].iter().flat_map(|got| got.lines()).collect();
    assert_eq!(lines, written(&folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_cursor_ships_nothing() {
    let receiver = Receiver::start();
    let folder = Folder::with(&ship(&receiver, "jsonl", "cursor = \"logs.cursor\""));
    let running = folder.serve().await;
    decide(&running, 1).await;
    all_arrive(&receiver, &folder, &running).await;
    assert!(running.stop().await);
    assert!(!folder.path().join("decisions.jsonl.shipped").exists());
    let whole = folder.read("logs.cursor");
    let before = receiver.got().len();
    for damaged in [
        "",
        "{}",
        &whole[..whole.len() - 1],
        &whole.replace("\"line\"", "\"lime\""),
        &format!("{}{}", " ".repeat(5000), whole),
    ] {
        folder.write("logs.cursor", damaged);
        let running = folder.serve().await;
        until("it is named", || async {
            let problem = state(&running).await["problem"].clone();
            problem
                .as_str()
                .is_some_and(|it| it.contains("logs.cursor is damaged"))
        })
        .await;
        decide(&running, 1).await;
        assert!(running.stop().await);
    }
    // Bytes that are no text, and a position that no log has.
    let other = whole.replace("\"sequence\":", "\"sequence\":18446744073709551");
    for (damaged, said) in [
        (&b"\xff\xfe"[..], "logs.cursor is damaged"),
        (other.as_bytes(), "lines at its end are gone"),
    ] {
        assert_ne!(damaged, whole.as_bytes());
        folder.write("logs.cursor", damaged);
        let running = folder.serve().await;
        until("it is named", || async {
            let problem = state(&running).await["problem"].clone();
            problem.as_str().is_some_and(|it| it.contains(said))
        })
        .await;
        assert!(running.stop().await);
    }
    assert_eq!(receiver.got().len(), before);
    folder.write("logs.cursor", whole);
    let running = folder.serve().await;
    all_arrive(&receiver, &folder, &running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_with_the_cursor_of_another_host_ship_nothing_and_lose_nothing() {
    let receivers = [Receiver::start(), Receiver::start()];
    let shared = tempfile::tempdir().unwrap();
    let cursor = format!("cursor = {:?}", shared.path().join("logs.cursor"));
    let folders = receivers
        .each_ref()
        .map(|receiver| Folder::with(&ship(receiver, "jsonl", &cursor)));
    let first = folders[0].serve().await;
    decide(&first, 2).await;
    all_arrive(&receivers[0], &folders[0], &first).await;
    let second = folders[1].serve().await;
    decide(&second, 5).await;
    until("it is named", || async {
        let problem = state(&second).await["problem"].clone();
        problem
            .as_str()
            .is_some_and(|it| it.contains("logs.cursor"))
    })
    .await;
    decide(&first, 2).await;
    all_arrive(&receivers[0], &folders[0], &first).await;
    assert!(receivers[1].got().is_empty());
    folders[1].configure(&ship(&receivers[1], "jsonl", ""));
    second.admin(post("/reload", &json!({}))).await;
    all_arrive(&receivers[1], &folders[1], &second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_were_archived_before_they_were_shipped_arrive_in_order() {
    let receiver = Receiver::start();
    let small = "max-file-bytes = 65536";
    let (folder, running) = stopped(&receiver, small, "").await;
    // Without a cursor, shipping begins with the first line that was not archived.
    folder.write("logs.token", NEW);
    all_arrive(&receiver, &folder, &running).await;
    folder.write("logs.token", OLD);
    running.admin(post("/reload", &json!({}))).await;
    decide(&running, 1).await;
    until("it stops", || async {
        state(&running).await["stopped"] == true
    })
    .await;
    let long = json!({ "text": "x".repeat(20_000) });
    decide_with(&running, 12, &long).await;
    let all = written(&folder);
    let to = folder.path().join("archive");
    fs::create_dir(&to).unwrap();
    archive(&folder.path().join("decisions.jsonl"), &to, 0).unwrap();
    assert!(!folder.path().join("decisions.000001.jsonl").exists());
    folder.write("logs.token", NEW);
    running.admin(post("/reload", &json!({}))).await;
    until("every line arrives", || async {
        receiver.lines().len() >= all.len()
    })
    .await;
    assert_eq!(receiver.lines()[..all.len()], all);
}
