//! A table of limited size that its owners share fairly.
//!
//! Each entry belongs to an owner, and each owner to a domain. While there is room, owners are not limited.
//! In a full table, a new entry replaces the oldest entry of the largest owner: in the domain with most
//! entries, the owner with most, and of its entries the one that was unused for longest. A flood of one
//! principal, or of many in one trust domain, therefore costs no other principal an entry, and never a
//! decision.

use portcullis_model::timestamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Hash of the name of an entry, an owner or a domain.
pub(crate) type Hash = [u8; 32];

/// Owner of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) domain: Hash,
    pub(crate) owner: Hash,
}

/// A table with a maximum number of entries.
#[derive(Debug)]
pub(crate) struct Shares<V> {
    capacity: usize,
    entries: HashMap<Hash, Entry<V>>,
    domains: Sizes<Hash>,
    owners: HashMap<Hash, Sizes<Hash>>,
    /// Entries of each owner, ordered by last use.
    order: HashMap<Owner, BTreeMap<u64, Hash>>,
    /// Entries ordered by their ends.
    ends: BTreeSet<(Timestamp, Hash)>,
    /// Counter of uses, which orders them.
    tick: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    owner: Owner,
    tick: u64,
    until: Timestamp,
}

/// Number of entries for each key, and the key with most of them.
#[derive(Debug)]
struct Sizes<K> {
    by_key: HashMap<K, usize>,
    by_size: BTreeSet<(usize, K)>,
}

impl<V> Shares<V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            entries: HashMap::new(),
            domains: Sizes::default(),
            owners: HashMap::new(),
            order: HashMap::new(),
            ends: BTreeSet::new(),
            tick: 0,
        }
    }

    /// Sets the maximum number of entries. The next new entry deletes those beyond it.
    #[cfg(feature = "embedded-state")]
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
    }

    /// Returns an entry unless it has ended at `now`.
    pub(crate) fn get_mut(&mut self, key: &Hash, now: Timestamp) -> Option<&mut V> {
        let entry = self.entries.get_mut(key)?;
        (now < entry.until).then_some(&mut entry.value)
    }

    /// Sets the end of an entry, and marks it as just used.
    pub(crate) fn touch(&mut self, key: &Hash, until: Timestamp) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        self.tick += 1;
        self.ends.remove(&(entry.until, *key));
        self.ends.insert((until, *key));
        entry.until = until;
        if let Some(order) = self.order.get_mut(&entry.owner) {
            order.remove(&entry.tick);
            order.insert(self.tick, *key);
        }
        entry.tick = self.tick;
    }

    /// Adds an entry that ends at `until`.
    ///
    /// Entries that ended by `now` are deleted. If the table is still full, the oldest entry of the largest
    /// owner is deleted.
    pub(crate) fn insert(
        &mut self,
        key: Hash,
        owner: Owner,
        value: V,
        until: Timestamp,
        now: Timestamp,
    ) {
        self.remove(&key);
        while let Some((end, ended)) = self.ends.first().copied()
            && end <= now
        {
            self.remove(&ended);
        }
        while self.entries.len() >= self.capacity
            && let Some(oldest) = self.oldest_of_most()
        {
            self.remove(&oldest);
        }
        self.tick += 1;
        let entry = Entry {
            value,
            owner,
            tick: self.tick,
            until,
        };
        self.entries.insert(key, entry);
        self.ends.insert((until, key));
        self.order.entry(owner).or_default().insert(self.tick, key);
        self.domains.add(owner.domain);
        self.owners
            .entry(owner.domain)
            .or_default()
            .add(owner.owner);
    }

    fn remove(&mut self, key: &Hash) {
        let Some(entry) = self.entries.remove(key) else {
            return;
        };
        let owner = entry.owner;
        self.ends.remove(&(entry.until, *key));
        if let Some(order) = self.order.get_mut(&owner) {
            order.remove(&entry.tick);
            if order.is_empty() {
                self.order.remove(&owner);
            }
        }
        self.domains.take(owner.domain);
        if let Some(owners) = self.owners.get_mut(&owner.domain) {
            owners.take(owner.owner);
            if owners.by_key.is_empty() {
                self.owners.remove(&owner.domain);
            }
        }
    }

    fn oldest_of_most(&self) -> Option<Hash> {
        let domain = self.domains.most()?;
        let owner = self.owners.get(&domain)?.most()?;
        let order = self.order.get(&Owner { domain, owner })?;
        order.first_key_value().map(|(_, key)| *key)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl<K> Default for Sizes<K> {
    fn default() -> Self {
        Self {
            by_key: HashMap::new(),
            by_size: BTreeSet::new(),
        }
    }
}

impl<K: Copy + Ord + std::hash::Hash> Sizes<K> {
    fn add(&mut self, key: K) {
        let size = self.by_key.get(&key).copied().unwrap_or(0);
        self.set(key, size, size + 1);
    }

    fn take(&mut self, key: K) {
        let size = self.by_key.get(&key).copied().unwrap_or(0);
        self.set(key, size, size.saturating_sub(1));
    }

    fn set(&mut self, key: K, before: usize, after: usize) {
        self.by_size.remove(&(before, key));
        if after == 0 {
            self.by_key.remove(&key);
        } else {
            self.by_size.insert((after, key));
            self.by_key.insert(key, after);
        }
    }

    fn most(&self) -> Option<K> {
        self.by_size.last().map(|(_, key)| *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

    fn hash(number: usize) -> Hash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        hash
    }

    fn owner(domain: usize, owner: usize) -> Owner {
        Owner {
            domain: hash(domain),
            owner: hash(domain * 1000 + owner),
        }
    }

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn who_has_most_forgets_their_oldest() {
        let mut shares = Shares::new(10);
        shares.insert(hash(1), owner(1, 1), "mine", after(600), NOW);
        for number in 100..200 {
            shares.insert(hash(number), owner(1, 2), "flood", after(600), NOW);
        }
        assert_eq!(shares.len(), 10);
        assert!(
            shares.get_mut(&hash(1), NOW).is_some(),
            "nobody else loses any"
        );
        assert!(shares.get_mut(&hash(190), NOW).is_none(), "the oldest");
        assert!(shares.get_mut(&hash(199), NOW).is_some());
        shares.touch(&hash(191), after(600));
        shares.insert(hash(200), owner(1, 2), "flood", after(600), NOW);
        assert!(
            shares.get_mut(&hash(191), NOW).is_some(),
            "it was seen just now"
        );
        assert!(shares.get_mut(&hash(192), NOW).is_none());
    }

    #[test]
    fn many_principals_of_one_trust_domain_cost_another_none_nothing() {
        let mut shares = Shares::new(100);
        for number in 0..10 {
            shares.insert(hash(number), owner(1, number), "ours", after(600), NOW);
        }
        for number in 1000..5000 {
            shares.insert(hash(number), owner(2, number), "theirs", after(600), NOW);
        }
        assert_eq!(shares.len(), 100);
        for number in 0..10 {
            assert!(shares.get_mut(&hash(number), NOW).is_some());
        }
    }

    #[test]
    fn what_has_ended_makes_room_before_anything_is_forgotten() {
        let mut shares = Shares::new(2);
        shares.insert(hash(1), owner(1, 1), "long", after(600), NOW);
        shares.insert(hash(2), owner(2, 1), "short", after(10), NOW);
        assert!(
            shares.get_mut(&hash(2), after(10)).is_none(),
            "it has ended"
        );
        shares.insert(hash(3), owner(2, 1), "next", after(600), after(11));
        assert_eq!(shares.len(), 2);
        assert!(shares.get_mut(&hash(1), after(11)).is_some());
        assert!(shares.get_mut(&hash(3), after(11)).is_some());
    }

    #[test]
    fn nothing_is_left_of_what_was_forgotten() {
        let mut shares = Shares::new(16);
        for number in 0..1000 {
            shares.insert(
                hash(number % 97),
                owner(number % 3, number % 5),
                (),
                after(1),
                NOW,
            );
            shares.touch(&hash(number % 89), after(2));
        }
        shares.insert(hash(5000), owner(9, 9), (), after(600), after(3));
        assert_eq!(shares.len(), 1);
        assert_eq!(
            (shares.ends.len(), shares.order.len(), shares.owners.len()),
            (1, 1, 1)
        );
        assert_eq!(shares.domains.by_size.len(), 1);
    }
}
