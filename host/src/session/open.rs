//! Open sessions, by the handles of those who opened them.

use super::Session;
use portcullis_model::digest::Digest;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Sessions that are open, each by a handle that cannot be guessed.
///
/// A front end opens a session with the user's words, and gives its handle to the agent, which presents it with each
/// call. A handle is no permission: the session counts for its own principal and intent only. Only digests of handles are
/// kept.
#[derive(Debug)]
pub struct Sessions {
    open: Mutex<HashMap<Digest, Open>>,
    most: usize,
    idle: Duration,
}

#[derive(Debug)]
struct Open {
    session: Session,
    used: Instant,
}

impl Sessions {
    /// No sessions yet. At most `most` are open, each until it is not used for `idle`.
    pub fn new(most: usize, idle: Duration) -> Self {
        Self {
            open: Mutex::default(),
            most,
            idle,
        }
    }

    /// Opens a session, and returns its handle. If too many are open, the one that was not used the longest is closed.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub fn open(&self, session: Session) -> Result<String, getrandom::Error> {
        let handle = handle()?;
        let mut open = self.lock();
        let now = Instant::now();
        open.retain(|_, it| now.duration_since(it.used) < self.idle);
        if open.len() >= self.most {
            let oldest = open.iter().min_by_key(|(_, it)| it.used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                open.remove(&oldest);
            }
        }
        let key = Digest::of(handle.as_bytes());
        open.insert(key, Open { session, used: now });
        Ok(handle)
    }

    /// The session with that handle, if it is open.
    pub fn get(&self, handle: &str) -> Option<Session> {
        let key = Digest::of(handle.as_bytes());
        let mut open = self.lock();
        let found = open.get_mut(&key)?;
        if found.used.elapsed() >= self.idle {
            open.remove(&key);
            return None;
        }
        found.used = Instant::now();
        Some(found.session.clone())
    }

    /// Closes a session, with all that it saw and that was approved in it. False if it was not open.
    pub fn close(&self, handle: &str) -> bool {
        self.lock().remove(&Digest::of(handle.as_bytes())).is_some()
    }

    /// Number of open sessions.
    pub fn count(&self) -> usize {
        let now = Instant::now();
        let open = self.lock();
        let is_used = |it: &&Open| now.duration_since(it.used) < self.idle;
        open.values().filter(is_used).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle that cannot be guessed: 256 random bits in hexadecimal digits.
///
/// # Errors
///
/// The system has no random numbers.
pub fn handle() -> Result<String, getrandom::Error> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(base16ct::lower::encode_string(&random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::LedgerLimits;

    fn session(principal: &str) -> Session {
        Session::open(principal, None, ["hello"], LedgerLimits::default())
    }

    #[test]
    fn a_handle_finds_its_session_until_it_is_closed() {
        let sessions = Sessions::new(8, Duration::from_secs(60));
        let one = sessions.open(session("spiffe://a/1")).unwrap();
        let other = sessions.open(session("spiffe://a/2")).unwrap();
        assert_ne!(one, other);
        assert_eq!(one.len(), 64);
        assert_eq!(sessions.get(&one).unwrap().principal(), "spiffe://a/1");
        assert!(sessions.get("").is_none() && sessions.get(&one[1..]).is_none());
        assert!(sessions.close(&one) && !sessions.close(&one));
        assert!(sessions.get(&one).is_none());
        assert_eq!(sessions.count(), 1);
    }

    #[test]
    fn sessions_are_bounded_in_number_and_time() {
        let sessions = Sessions::new(2, Duration::from_secs(60));
        let handles: Vec<_> = (0..3)
            .map(|_| sessions.open(session("spiffe://a/1")).unwrap())
            .collect();
        assert_eq!(sessions.count(), 2);
        assert!(sessions.get(&handles[0]).is_none() && sessions.get(&handles[2]).is_some());
        let ended = Sessions::new(2, Duration::ZERO);
        let handle = ended.open(session("spiffe://a/1")).unwrap();
        assert!(ended.get(&handle).is_none());
        assert_eq!(ended.count(), 0);
    }
}
