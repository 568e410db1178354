//! Answers where a gate elsewhere cannot be reached: nothing passes.

use crate::action::Action;
use crate::message::{Error, code, seeming_id};
use serde_json::Value;

/// Answers to a message of the client that could not be decided.
pub fn of_client(raw: &[u8], why: &str) -> Vec<Action> {
    answer(raw, why, true)
        .map(Action::ToClient)
        .into_iter()
        .collect()
}

/// Answers to a message of the server that could not be decided: its requests fail, and so do the client's that it answers.
pub fn of_server(raw: &[u8], why: &str) -> Vec<Action> {
    let request = answer(raw, why, true).map(Action::ToServer);
    let response = || answer(raw, why, false).map(Action::ToClient);
    request.or_else(response).into_iter().collect()
}

/// The error for the id of a message, if it is a request, or is none.
fn answer(raw: &[u8], why: &str, to_request: bool) -> Option<Vec<u8>> {
    let id = seeming_id(raw)?;
    let message: Value = serde_json::from_slice(raw).ok()?;
    let is_request = message.get("method").is_some();
    (is_request == to_request).then(|| Error::new(code::UNDECIDED, why).answer(Some(&id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_gets_an_answer_and_no_message_of_the_other() {
        let request = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#;
        let response = br#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let notification = br#"{"jsonrpc":"2.0","method":"x"}"#;
        assert!(matches!(
            of_client(request, "x").as_slice(),
            [Action::ToClient(_)]
        ));
        assert!(of_client(response, "x").is_empty() && of_client(notification, "x").is_empty());
        assert!(matches!(
            of_server(request, "x").as_slice(),
            [Action::ToServer(_)]
        ));
        assert!(matches!(
            of_server(response, "x").as_slice(),
            [Action::ToClient(_)]
        ));
        assert!(of_server(notification, "x").is_empty());
    }
}
