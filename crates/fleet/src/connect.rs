//! Connects to a server: addresses, credentials and TLS.

use async_nats::{Auth, AuthError, Client, ConnectOptions, Event, ServerAddr};
use portcullis_trust::regular;
use portcullis_trust::state::shared::SharedOptions;
use serde::Deserialize;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Longest pause between two attempts to connect again.
const MOST_PAUSE: Duration = Duration::from_secs(1);

/// Time between two pings of an idle connection; the third without an answer ends the connection.
const PING_EVERY: Duration = Duration::from_secs(2);

/// Maximum size of a file with credentials.
const CREDENTIALS_BYTES: u64 = 64 * 1024;

/// Connects once; a connection that is lost later is made again by itself.
///
/// The receiver gets every change of the connection.
///
/// # Errors
///
/// The reason, with the remedy if there is one.
pub(crate) async fn connect(
    options: &SharedOptions,
) -> Result<(Client, UnboundedReceiver<Event>), String> {
    let servers = addresses(&options.servers)?;
    let (sender, events) = unbounded_channel();
    let connecting = authenticated(options)?
        .name("portcullis")
        .connection_timeout(options.timeout)
        .request_timeout(Some(options.timeout))
        .ping_interval(PING_EVERY)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| {
            let pause = 10_u64.saturating_mul(1 << attempts.min(10));
            Duration::from_millis(pause).min(MOST_PAUSE)
        })
        .event_callback(move |event| {
            let _ = sender.send(event);
            std::future::ready(())
        })
        .connect(servers);
    let connected = tokio::time::timeout(options.timeout, connecting).await;
    match connected {
        Ok(Ok(client)) => Ok((client, events)),
        Ok(Err(error)) => Err(format!("cannot connect: {error}")),
        Err(_) => Err(format!(
            "cannot connect: no answer within {:?}",
            options.timeout
        )),
    }
}

/// Parses the URLs of servers.
fn addresses(servers: &[String]) -> Result<Vec<ServerAddr>, String> {
    if servers.is_empty() {
        return Err("no server is named".to_owned());
    }
    let address = |url: &String| {
        let address: ServerAddr = url
            .parse()
            .map_err(|error| format!("`{url}` is not the URL of a server: {error}"))?;
        if address.has_user_pass() {
            return Err(
                "a URL names a user: put user and password into a file that `credentials` names"
                    .to_owned(),
            );
        }
        if address.host().is_empty() {
            return Err(format!("`{url}` names no host"));
        }
        match address.scheme() {
            "nats" | "tls" => Ok(address),
            scheme => Err(format!(
                "`{scheme}` is not supported: write `nats://` or `tls://`"
            )),
        }
    };
    servers.iter().map(address).collect()
}

/// Options with the credentials and the TLS of this host.
fn authenticated(options: &SharedOptions) -> Result<ConnectOptions, String> {
    let mut connecting = match options.credentials.clone() {
        None => ConnectOptions::new(),
        Some(file) => {
            Credentials::read(&file)?;
            // Read for each connection, so that they can be replaced while the host runs.
            ConnectOptions::with_auth_callback(move |_| {
                let read = Credentials::read(&file);
                std::future::ready(read.map(Credentials::auth).map_err(AuthError::new))
            })
        }
    };
    let tls = &options.tls;
    if let Some(file) = &tls.authorities {
        connecting = connecting
            .add_root_certificates(file.clone())
            .require_tls(true);
    }
    if let Some((chain, key)) = &tls.identity {
        connecting = connecting
            .add_client_certificate(chain.clone(), key.clone())
            .require_tls(true);
    }
    Ok(connecting)
}

/// Credentials of this host, in JSON.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Credentials {
    User { user: String, password: String },
    Token { token: String },
}

impl Credentials {
    fn read(file: &Path) -> Result<Self, String> {
        let unreadable = |why: &str| format!("the credentials in {} {why}", file.display());
        let mut text = String::new();
        let opened = regular::open(file)
            .and_then(|file| file.take(CREDENTIALS_BYTES).read_to_string(&mut text));
        opened.map_err(|error| unreadable(&format!("cannot be read: {error}")))?;
        // The parser's message could quote a password.
        serde_json::from_str(&text).map_err(|_| {
            unreadable("are not `{\"user\": \"…\", \"password\": \"…\"}` or `{\"token\": \"…\"}`")
        })
    }

    fn auth(self) -> Auth {
        let mut auth = Auth::new();
        match self {
            Self::User { user, password } => {
                auth.username = Some(user);
                auth.password = Some(password);
            }
            Self::Token { token } => auth.token = Some(token),
        }
        auth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Credentials, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Credentials::read(file.path())
    }

    #[test]
    fn credentials_are_a_user_with_a_password_or_a_token() {
        let user = read(r#"{"user": "host-1", "password": "p"}"#).unwrap();
        let auth = user.auth();
        let pair = (auth.username.as_deref(), auth.password.as_deref());
        assert_eq!(pair, (Some("host-1"), Some("p")));
        let token = read(r#"{"token": "t"}"#).unwrap().auth();
        assert_eq!(token.token.as_deref(), Some("t"));
    }

    #[test]
    fn an_error_never_quotes_the_credentials() {
        for text in [
            "s3cret",
            r#"{"user": "s3cret"}"#,
            r#"{"token": "s3cret", "x": 1}"#,
            r#"{"user": 1, "password": "s3cret"}"#,
        ] {
            let Err(error) = read(text) else {
                panic!("{text} is accepted")
            };
            assert!(!error.contains("s3cret"), "{error}");
            assert!(error.contains("password"), "{error}");
        }
    }

    #[test]
    fn only_urls_of_servers_without_a_user_are_accepted() {
        let read = |url: &str| addresses(&[url.to_owned()]);
        assert!(read("nats://127.0.0.1:4222").is_ok());
        assert!(read("tls://nats.acme.example").is_ok());
        assert!(read("127.0.0.1:4222").is_ok());
        let error = read("nats://u:s3cret@127.0.0.1:4222").unwrap_err();
        assert!(error.contains("credentials") && !error.contains("s3cret"));
        for url in ["http://127.0.0.1:4222", "ws://127.0.0.1", "nats://"] {
            assert!(read(url).is_err(), "{url}");
        }
        assert!(addresses(&[]).is_err());
    }
}
