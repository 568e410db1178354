//! More requests than a server can answer, and hostile senders, beside one client that is served.
//!
//! A short form runs with the tests; `PORTCULLIS_OVERLOAD_SECONDS=120` runs the long form.

use crate::client::{post, send_tls};
use crate::peps::connections::serve_tls;
use crate::peps::domain::Domain;
use crate::setting::{EVALUATION, Folder, PATIENCE, Running, evaluation, until};
use portcullis_server::settings::Address;
use portcullis_tests::memory;
use portcullis_tests::random::Random;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

/// Limits on the body, and on the time of a sender.
const REQUEST: &str = "request = { max-bytes = 4000 }\n";
const KEYS: &str = r#"
max-connections = 48
max-header-bytes = 8192
header-timeout = "300ms"
request-timeout = "600ms"
idle-timeout = "900ms"
"#;

/// Tasks of each kind of sender.
const TASKS: usize = 8;
/// Maximum growth of the resident memory, of senders and server together, once all of them have run for a while.
const MOST_GROWTH_KIB: usize = 48 * 1024;

/// Behaviour of a hostile sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// Denied requests, one after the other, as fast as they are answered.
    Flood,
    /// Denied requests, many at a time, whose answers are not read until all are sent.
    Pipelined,
    SlowHeaders,
    SlowBody,
    LargeBody,
    LargeHeaders,
    /// A denied request with changed bytes.
    Malformed,
    /// A request that ends at any byte.
    Cut,
    /// Bytes of other protocols, and of none.
    Garbage,
}

const SENDERS: [Sender; 9] = [
    Sender::Flood,
    Sender::Pipelined,
    Sender::SlowHeaders,
    Sender::SlowBody,
    Sender::LargeBody,
    Sender::LargeHeaders,
    Sender::Malformed,
    Sender::Cut,
    Sender::Garbage,
];

/// Beginnings of other protocols: TLS records, HTTP/2 with frames, and SSH.
const PROTOCOLS: [&[u8]; 4] = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x16\x03\x03\xff\xff",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x04\x08\x00\x00\x00\x00\x00\xff\xff\xff\xff",
    b"SSH-2.0-OpenSSH_9.2\r\n",
];

/// A whole request with that body.
fn request(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {EVALUATION} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A request whose subject has no permission.
fn denied() -> Vec<u8> {
    request(
        evaluation("mallory", "write", "record-1")
            .to_string()
            .as_bytes(),
    )
}

impl Sender {
    /// Parts of the bytes for one connection.
    fn parts(self, numbers: &mut Random) -> Vec<Vec<u8>> {
        match self {
            Self::Flood => vec![denied()],
            Self::Pipelined => vec![denied().repeat(16)],
            Self::SlowHeaders => denied().chunks(7).take(20).map(<[u8]>::to_vec).collect(),
            Self::SlowBody => {
                let whole = denied();
                let (most, rest) = whole.split_at(whole.len() - 40);
                let rest = rest.chunks(1).map(<[u8]>::to_vec);
                [most.to_vec()].into_iter().chain(rest).collect()
            }
            Self::LargeBody => {
                let mut asked = evaluation("mallory", "write", "record-1");
                asked["context"] = json!({ "note": "x".repeat(1_000_000) });
                vec![request(asked.to_string().as_bytes())]
            }
            Self::LargeHeaders => {
                let header = format!("x-{}: {}\r\n", numbers.below(1000), "y".repeat(100));
                vec![format!("GET / HTTP/1.1\r\n{}\r\n", header.repeat(2000)).into_bytes()]
            }
            Self::Malformed => {
                let mut body = evaluation("mallory", "write", "record-1")
                    .to_string()
                    .into_bytes();
                for _ in 0..=numbers.below(3) {
                    let at = numbers.below(body.len());
                    body[at] = numbers.bytes(1)[0];
                }
                vec![request(&body)]
            }
            Self::Cut => {
                let mut whole = denied();
                whole.truncate(numbers.below(whole.len()));
                vec![whole]
            }
            Self::Garbage => {
                let mut bytes = PROTOCOLS[numbers.below(PROTOCOLS.len())].to_vec();
                if numbers.below(3) == 0 {
                    bytes.clear();
                }
                let more = numbers.below(3000);
                bytes.extend(numbers.bytes(more));
                vec![bytes]
            }
        }
    }

    /// Sends over one connection, and reads what is answered.
    async fn over(
        self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        numbers: &mut Random,
    ) -> Vec<u8> {
        let parts = self.parts(numbers);
        let is_slow = parts.len() > 1;
        for part in parts {
            // The server may have closed the connection, which is an answer too.
            if stream.write_all(&part).await.is_err() {
                break;
            }
            if is_slow {
                sleep(Duration::from_millis(30)).await;
            }
        }
        let mut received = Vec::new();
        if self != Self::Cut {
            // The answers that are there; an open connection is then left.
            let read = stream.read_to_end(&mut received);
            let _ = timeout(Duration::from_millis(200), read).await;
        }
        received
    }
}

/// Counts of all senders.
#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    answered: AtomicU64,
}

/// Sends until `end`, over TLS with `client` or over TCP.
async fn attack(
    sender: Sender,
    (address, client): (SocketAddr, Option<Arc<ClientConfig>>),
    mut numbers: Random,
    (end, counts): (Instant, Arc<Counts>),
) {
    while Instant::now() < end {
        let Ok(Ok(stream)) = timeout(PATIENCE, TcpStream::connect(address)).await else {
            continue;
        };
        counts.connections.fetch_add(1, Ordering::Relaxed);
        // Half of the garbage goes to the handshake.
        let plain = client.is_none() || (sender == Sender::Garbage && numbers.below(2) == 0);
        let received = match &client {
            Some(client) if !plain => {
                let connector = TlsConnector::from(Arc::clone(client));
                let name = rustls_pki_types::ServerName::try_from("127.0.0.1").unwrap();
                match timeout(Duration::from_secs(2), connector.connect(name, stream)).await {
                    Ok(Ok(stream)) => sender.over(stream, &mut numbers).await,
                    _ => continue,
                }
            }
            _ => sender.over(stream, &mut numbers).await,
        };
        let text = String::from_utf8_lossy(&received);
        assert!(!text.contains("\"decision\":true"), "{sender:?}: {text}");
        assert!(!text.contains("HTTP/1.1 500"), "{sender:?}: {text}");
        if text.starts_with("HTTP/1.1 ") {
            counts.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn seconds() -> u64 {
    let stated = std::env::var("PORTCULLIS_OVERLOAD_SECONDS");
    stated.map_or(4, |text| text.parse().unwrap())
}

/// Serves a client beside all senders, and checks that only its requests were permitted.
async fn withstand((folder, running): (Folder, Running), clients: Option<[Arc<ClientConfig>; 2]>) {
    let Address::Tcp(address) = running.addresses[0] else {
        panic!()
    };
    let (own, others) = match clients {
        Some([own, others]) => (Some(own), Some(others)),
        None => (None, None),
    };
    let time = Duration::from_secs(seconds());
    let (begun, counts) = (Instant::now(), Arc::<Counts>::default());
    let end = begun + time;
    let mut attacks = tokio::task::JoinSet::new();
    for (index, sender) in SENDERS.repeat(TASKS).into_iter().enumerate() {
        let numbers = Random::seeded(index as u64);
        let target = (address, others.clone());
        attacks.spawn(attack(sender, target, numbers, (end, Arc::clone(&counts))));
    }
    let (mut permits, mut longest) = (0, Duration::ZERO);
    let (mut settled, mut most) = (None, 0);
    while Instant::now() < end {
        let asked = post(EVALUATION, &evaluation("alice", "read", "record-1"));
        let sent = Instant::now();
        let answer = match &own {
            None => running.send(asked).await,
            Some(client) => send_tls(&running.addresses[0], Arc::clone(client), asked)
                .await
                .unwrap(),
        };
        assert!(answer.decision(), "{}", answer.text());
        permits += 1;
        longest = longest.max(sent.elapsed());
        let resident = memory::resident_kib().unwrap_or(0);
        if begun.elapsed() > time / 3 {
            settled.get_or_insert(resident);
            most = most.max(resident);
        }
        sleep(Duration::from_millis(20)).await;
    }
    while let Some(attack) = attacks.join_next().await {
        attack.unwrap();
    }
    let grown = most.saturating_sub(settled.unwrap_or(0));
    eprintln!(
        "{time:?}: {permits} permits, the slowest after {longest:?}; {} connections of other senders, {} answered; {grown} KiB more at most",
        counts.connections.load(Ordering::Relaxed),
        counts.answered.load(Ordering::Relaxed),
    );
    assert!(grown < MOST_GROWTH_KIB, "{grown} KiB");
    assert!(counts.answered.load(Ordering::Relaxed) > 0);
    // Nothing of them is left.
    until("all connections are closed", || async {
        let metrics = running.admin(crate::client::get("/metrics")).await.text();
        // The one that asks.
        metrics.contains("portcullis_connections 1\n")
    })
    .await;
    assert!(running.stop().await);
    let decided = folder.logged("decision");
    let permitted = decided
        .iter()
        .filter(|line| line["decision"]["decision"] == true);
    assert_eq!(permitted.count(), permits);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_served_beside_hostile_senders() {
    let folder = Folder::with(&format!("{REQUEST}[serve]{KEYS}"));
    let running = folder.serve().await;
    withstand((folder, running), None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_served_over_tls_beside_hostile_senders() {
    let domain = Domain::new();
    let served = serve_tls(&domain, REQUEST, KEYS).await;
    let own = domain.client(Some("spiffe://acme.example/gateway"));
    withstand(served, Some([own, domain.client(None)])).await;
}
