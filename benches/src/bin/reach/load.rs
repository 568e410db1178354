//! Requests at a fixed rate over HTTP/1.1 with keep-alive.
//!
//! A request is due at a time that does not depend on the answers before it, and its latency counts from then. So a
//! server that stops answers late to all requests that were due meanwhile, and not only to those that were sent.

use crate::Arguments;
use anyhow::Context as _;
use hdrhistogram::Histogram;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

/// Time before a request is due from which the clock is read without sleeping: timers are a millisecond late.
const AWAKE: Duration = Duration::from_millis(2);

/// Longest latency in nanoseconds. A longer one counts as this.
const LONGEST: u64 = 60_000_000_000;

/// Part of a permit's body.
const PERMIT: &[u8] = b"\"decision\":true";

/// Requests to send.
struct Load {
    uri: Uri,
    /// Body of an evaluation; without one, the requests are `GET`.
    body: Option<Bytes>,
    connections: u32,
    /// Requests in a second.
    rate: f64,
    time: Duration,
}

/// Requests that are due and not sent, and the answers.
struct Shared {
    due: RefCell<VecDeque<Instant>>,
    /// One permit for each request in `due`.
    waiting: Semaphore,
    /// Requests that were due before warm the server up, and do not count.
    counted_from: Instant,
    answers: RefCell<Answers>,
}

/// Latencies and counts of the answers.
struct Answers {
    nanos: Histogram<u64>,
    good: u64,
    other: u64,
}

pub(super) fn run(arguments: &mut Arguments) -> anyhow::Result<()> {
    let load = Load {
        uri: arguments.next("URL")?,
        connections: arguments.next("CONNECTIONS")?,
        rate: arguments.next("RATE")?,
        time: Duration::from_secs_f64(arguments.next("SECONDS")?),
        body: match arguments.0.next() {
            Some(file) => Some(std::fs::read(PathBuf::from(file))?.into()),
            None => None,
        },
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answers = LocalSet::new().block_on(&runtime, send(load))?;
    let micros = |quantile| answers.nanos.value_at_quantile(quantile) as f64 / 1000.0;
    println!(
        "{}",
        json!({
            "good": answers.good, "other": answers.other, "p50-us": micros(0.5), "p99-us": micros(0.99),
            "longest-us": answers.nanos.max() as f64 / 1000.0,
        })
    );
    Ok(())
}

/// Sends all requests, and waits for the answers.
async fn send(load: Load) -> anyhow::Result<Answers> {
    let load = Rc::new(load);
    let mut senders = Vec::new();
    for _ in 0..load.connections {
        senders.push(connect(&load.uri).await?);
    }
    let begun = Instant::now();
    let shared = Rc::new(Shared {
        due: RefCell::default(),
        waiting: Semaphore::new(0),
        counted_from: begun + load.time / 10,
        answers: RefCell::new(Answers {
            nanos: Histogram::new_with_bounds(1, LONGEST, 3)?,
            good: 0,
            other: 0,
        }),
    });
    let connections: Vec<_> = senders
        .into_iter()
        .map(|sender| {
            let answered = answer(sender, Rc::clone(&load), Rc::clone(&shared));
            tokio::task::spawn_local(answered)
        })
        .collect();
    for number in 0_u64.. {
        let due = begun + Duration::from_secs_f64(number as f64 / load.rate);
        if due >= begun + load.time {
            break;
        }
        until(due).await;
        shared.due.borrow_mut().push_back(due);
        shared.waiting.add_permits(1);
    }
    // A permit without a request ends a connection.
    shared.waiting.add_permits(connections.len());
    for connection in connections {
        connection.await??;
    }
    let shared = Rc::into_inner(shared).context("a connection goes on")?;
    Ok(shared.answers.into_inner())
}

/// Waits until `due`, and lets other tasks run meanwhile.
async fn until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if left > AWAKE {
        tokio::time::sleep(left - AWAKE).await;
    }
    loop {
        tokio::task::yield_now().await;
        if Instant::now() >= due {
            return;
        }
    }
}

async fn connect(uri: &Uri) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let authority = uri.authority().context("URL has no host")?;
    let stream = TcpStream::connect(authority.as_str()).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

/// Sends requests over one connection, each once it is due.
async fn answer(
    mut sender: SendRequest<Full<Bytes>>,
    load: Rc<Load>,
    shared: Rc<Shared>,
) -> anyhow::Result<()> {
    loop {
        shared.waiting.acquire().await?.forget();
        let next = shared.due.borrow_mut().pop_front();
        let Some(due) = next else {
            return Ok(());
        };
        sender.ready().await?;
        let answer = sender.send_request(load.request()?).await?;
        let is_ok = answer.status() == StatusCode::OK;
        let body = answer.into_body().collect().await?.to_bytes();
        let took = due.elapsed();
        let is_permit = load.body.is_none() || contains(&body, PERMIT);
        if due >= shared.counted_from {
            let mut answers = shared.answers.borrow_mut();
            answers.add(took, is_ok && is_permit);
        }
    }
}

impl Load {
    fn request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        let path = self.uri.path_and_query().map_or("/", |it| it.as_str());
        let host = self.uri.authority().map_or("", |it| it.as_str());
        let request = Request::builder().uri(path).header(header::HOST, host);
        Ok(match &self.body {
            None => request.body(Full::default())?,
            Some(body) => request
                .method("POST")
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(body.clone()))?,
        })
    }
}

impl Answers {
    fn add(&mut self, took: Duration, is_good: bool) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.saturating_record(nanos);
        match is_good {
            true => self.good += 1,
            false => self.other += 1,
        }
    }
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}
