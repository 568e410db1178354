//! Asks a server for its own configuration, at its monitoring address.
//!
//! Clients cannot read `sync_interval` otherwise.

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::error::Error;
use std::time::Duration;
use tokio::net::TcpStream;

/// Time between two writes to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Each change is on the disk before the server answers.
    Always,
    Every(Duration),
}

/// Maximum size of the report.
const REPORT_BYTES: usize = 1024 * 1024;

/// The part of a report that is read.
#[derive(Deserialize)]
struct Report {
    server_id: String,
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    /// In nanoseconds.
    #[serde(default)]
    sync_interval: u64,
    #[serde(default)]
    sync_always: bool,
}

/// Time between two writes to the disk of the server with id `server`.
///
/// # Errors
///
/// The reason why it is unknown.
pub(crate) async fn sync(url: &str, server: &str, timeout: Duration) -> Result<Sync, String> {
    let failed = |why: String| format!("{url} does not report it: {why}");
    let asked = tokio::time::timeout(timeout, get(url)).await;
    let report = asked
        .map_err(|_| failed(format!("no answer within {timeout:?}")))?
        .map_err(|error| failed(error.to_string()))?;
    read(&report, server).map_err(failed)
}

fn read(report: &[u8], server: &str) -> Result<Sync, String> {
    let report: Report = serde_json::from_slice(report)
        .map_err(|error| format!("not a report of nats-server: {error}"))?;
    if report.server_id != server {
        return Err("it is the address of another server".to_owned());
    }
    Ok(match report.config {
        Config {
            sync_always: true, ..
        } => Sync::Always,
        Config { sync_interval, .. } => Sync::Every(Duration::from_nanos(sync_interval)),
    })
}

async fn get(url: &str) -> Result<Bytes, Box<dyn Error + Send + std::marker::Sync>> {
    let base: Uri = url.parse()?;
    if base.scheme_str() != Some("http") {
        return Err("the address begins with `http://`".into());
    }
    let host = base.host().ok_or("the address names no host")?;
    let connected = TcpStream::connect((host, base.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(connected)).await?;
    let path = format!("{}/jsz?config=true", base.path().trim_end_matches('/'));
    let authority = base.authority().map(|it| it.as_str()).unwrap_or_default();
    let request = Request::get(path)
        .header(header::HOST, authority)
        .body(Empty::<Bytes>::new())?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(format!("the answer is {}", answer.status()).into());
    }
    let body = Limited::new(answer.into_body(), REPORT_BYTES);
    let report = body.collect().await?.to_bytes();
    driver.abort();
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_for_its_own_server_only() {
        let report = br#"{"server_id": "A", "config": {"sync_interval": 120000000000}}"#;
        let two = Sync::Every(Duration::from_secs(120));
        assert_eq!(read(report, "A"), Ok(two));
        assert!(read(report, "B").is_err());
        assert!(read(b"{}", "A").is_err());
        let always = br#"{"server_id": "A", "config": {"sync_interval": 1, "sync_always": true}}"#;
        assert_eq!(read(always, "A"), Ok(Sync::Always));
    }
}
