//! Builtins for addresses and networks, without network access.

use super::{Builtin, Fault, Outcome, kind, text, texts};
use regorus::Value;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) const BUILTINS: &[Builtin] = &[
    ("net.cidr_contains", 2, contains),
    ("net.cidr_contains_matches", 2, contains_matches),
    ("net.cidr_expand", 1, expand),
    ("net.cidr_intersects", 2, intersects),
    ("net.cidr_is_valid", 1, is_valid),
    ("net.cidr_merge", 1, merge),
];

/// Maximum number of addresses in an expanded network.
const MOST_ADDRESSES: u128 = 65_536;

/// A network, as its first and last address in one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    is_v4: bool,
    first: u128,
    last: u128,
}

impl Network {
    fn parsed(text: &str) -> Result<Self, Fault> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let address: IpAddr = address.parse().ok()?;
            let is_number = prefix.bytes().all(|byte| byte.is_ascii_digit());
            let prefix = prefix.parse::<u32>().ok().filter(|_| is_number)?;
            let (bits, number) = match address {
                IpAddr::V4(address) => (32, u128::from(address.to_bits())),
                IpAddr::V6(address) => (128, address.to_bits()),
            };
            let host = bits - Some(prefix).filter(|prefix| *prefix <= bits)?;
            let mask = u128::MAX.checked_shr(128 - host).unwrap_or(0);
            let (first, last) = (number & !mask, number | mask);
            Some(match address {
                IpAddr::V4(_) => Self {
                    is_v4: true,
                    first,
                    last,
                },
                IpAddr::V6(_) => Self::of_v6(first, last),
            })
        });
        parsed.map_or_else(|| Fault::erring("the text is no network"), Ok)
    }

    /// Creates an IPv6 network, or an IPv4 one if its addresses are IPv4-mapped, as Go does.
    fn of_v6(first: u128, last: u128) -> Self {
        let short = |number| Ipv6Addr::from_bits(number).to_ipv4_mapped();
        match (short(first), short(last)) {
            (Some(first), Some(last)) => Self {
                is_v4: true,
                first: u128::from(first.to_bits()),
                last: u128::from(last.to_bits()),
            },
            _ => Self {
                is_v4: false,
                first,
                last,
            },
        }
    }

    fn of_address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => {
                let number = u128::from(address.to_bits());
                Self {
                    is_v4: true,
                    first: number,
                    last: number,
                }
            }
            IpAddr::V6(address) => Self::of_v6(address.to_bits(), address.to_bits()),
        }
    }

    /// Returns the network of an address's class, which is Go's default mask.
    fn of_class(address: Ipv4Addr) -> Result<Self, Fault> {
        let [first, ..] = address.octets();
        let prefix = match first {
            0..128 => 8,
            128..192 => 16,
            192..224 => 24,
            _ => return Fault::unsupported("an address of no class has no prefix"),
        };
        Self::parsed(&format!("{address}/{prefix}"))
    }

    /// Parses a network or a single address.
    fn or_address(text: &str) -> Result<Self, Fault> {
        match text.parse() {
            Ok(address) => Ok(Self::of_address(address)),
            Err(_) => Self::parsed(text),
        }
    }

    const fn contains(&self, other: &Self) -> bool {
        self.is_v4 == other.is_v4 && self.first <= other.first && other.last <= self.last
    }

    const fn intersects(&self, other: &Self) -> bool {
        self.is_v4 == other.is_v4 && self.first <= other.last && other.first <= self.last
    }
}

fn contains(arguments: &[Value]) -> Outcome {
    let network = Network::parsed(text(arguments, 0)?)?;
    let contained = Network::or_address(text(arguments, 1)?)?;
    Ok(Value::from(network.contains(&contained)))
}

fn intersects(arguments: &[Value]) -> Outcome {
    let one = Network::parsed(text(arguments, 0)?)?;
    Ok(Value::from(
        one.intersects(&Network::parsed(text(arguments, 1)?)?),
    ))
}

fn is_valid(arguments: &[Value]) -> Outcome {
    let Ok(text) = text(arguments, 0) else {
        return Ok(Value::from(false));
    };
    Ok(Value::from(Network::parsed(text).is_ok()))
}

fn expand(arguments: &[Value]) -> Outcome {
    let network = Network::parsed(text(arguments, 0)?)?;
    if network.last - network.first >= MOST_ADDRESSES {
        return Fault::unsupported(format!(
            "a network is expanded to at most {MOST_ADDRESSES} addresses"
        ));
    }
    let addresses = network.first..=network.last;
    let addresses = addresses.map(|number| Value::from(address(network.is_v4, number)));
    Ok(addresses.collect::<BTreeSet<_>>().into())
}

/// Returns the smallest set of networks that covers those in the argument.
fn merge(arguments: &[Value]) -> Outcome {
    let mut networks = Vec::new();
    for text in texts(arguments, 0)? {
        networks.push(match text.parse() {
            Ok(IpAddr::V4(address)) => Network::of_class(address)?,
            Ok(IpAddr::V6(_)) => return Fault::erring("an address of IPv6 has no prefix"),
            Err(_) => Network::parsed(text)?,
        });
    }
    networks.sort_by_key(|network| (network.is_v4, network.first, network.last));
    let mut merged: Vec<Network> = Vec::new();
    for network in networks {
        match merged.last_mut() {
            Some(last)
                if last.is_v4 == network.is_v4 && network.first <= last.last.saturating_add(1) =>
            {
                last.last = last.last.max(network.last);
            }
            _ => merged.push(network),
        }
    }
    let mut written = BTreeSet::new();
    for range in merged {
        let bits = if range.is_v4 { 32 } else { 128 };
        let mut first = range.first;
        loop {
            // The largest network that starts here and ends within the range.
            let ends = |host: u32| first | u128::MAX.checked_shr(128 - host).unwrap_or(0);
            let aligned = first.trailing_zeros().min(bits);
            let host = (0..=aligned).rev().find(|host| ends(*host) <= range.last);
            let host = host.unwrap_or(0);
            written.insert(Value::from(format!(
                "{}/{}",
                address(range.is_v4, first),
                bits - host
            )));
            if ends(host) >= range.last {
                break;
            }
            first = ends(host) + 1;
        }
    }
    Ok(written.into())
}

fn address(is_v4: bool, number: u128) -> String {
    match u32::try_from(number) {
        Ok(number) if is_v4 => Ipv4Addr::from_bits(number).to_string(),
        _ => Ipv6Addr::from_bits(number).to_string(),
    }
}

/// Returns pairs of names: a network of the first argument, and a contained one of the second.
fn contains_matches(arguments: &[Value]) -> Outcome {
    let networks = named(arguments.first(), Network::parsed)?;
    let contained = named(arguments.get(1), Network::or_address)?;
    let mut matches = BTreeSet::new();
    for (name, network) in &networks {
        for (other, contained) in &contained {
            if network.contains(contained) {
                matches.insert(Value::from(vec![name.clone(), other.clone()]));
            }
        }
    }
    Ok(matches.into())
}

type Named = Vec<(Value, Network)>;

fn named(
    argument: Option<&Value>,
    parsed: fn(&str) -> Result<Network, Fault>,
) -> Result<Named, Fault> {
    let one = |name: Value, item: &Value| {
        let item = match item {
            Value::Array(tuple) => tuple.first(),
            item => Some(item),
        };
        match item {
            Some(Value::String(text)) => Ok((name, parsed(text)?)),
            other => Fault::erring(format!("a network is a text, not {}", kind(other))),
        }
    };
    match argument {
        Some(text @ Value::String(_)) => Ok(vec![one(text.clone(), text)?]),
        Some(Value::Array(items)) => (items.iter().enumerate())
            .map(|(position, item)| one(Value::from(position), item))
            .collect(),
        Some(Value::Set(items)) => items.iter().map(|item| one(item.clone(), item)).collect(),
        Some(Value::Object(members)) => members
            .iter()
            .map(|(key, item)| one(key.clone(), item))
            .collect(),
        other => Fault::erring(format!(
            "networks are texts in a collection, not {}",
            kind(other)
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::builtins::testing::gives;

    #[test]
    fn networks_contain_networks_and_addresses() {
        for (network, contained, expected) in [
            ("10.0.0.0/8", "10.1.2.3", Some("true")),
            ("10.0.0.0/8", "11.1.2.3", Some("false")),
            ("10.9.9.9/8", "10.1.0.0/16", Some("true")),
            ("10.1.0.0/16", "10.0.0.0/8", Some("false")),
            ("0.0.0.0/0", "255.255.255.255", Some("true")),
            ("10.0.0.0/8", "::ffff:10.0.0.1", Some("true")),
            ("::ffff:10.0.0.0/104", "10.0.0.1", Some("true")),
            ("::/0", "10.0.0.1", Some("false")),
            ("2001:db8::/32", "2001:db8::1", Some("true")),
            ("2001:db8::/32", "2001:db9::1", Some("false")),
            ("10.0.0.1", "10.0.0.1", None),
            ("10.0.0.0/33", "10.0.0.1", None),
            ("10.0.0.0/+8", "10.0.0.1", None),
            ("010.0.0.0/8", "10.0.0.1", None),
            ("10.0.0.0/8", "10.0.0", None),
            ("10.0.0.0/8", "fe80::1%eth0", None),
        ] {
            let arguments = [format!("`{network}`"), format!("`{contained}`")];
            gives(
                "net.cidr_contains",
                &[&arguments[0], &arguments[1]],
                expected,
            );
        }
        gives(
            "net.cidr_intersects",
            &["`10.0.0.0/8`", "`10.1.0.0/16`"],
            Some("true"),
        );
        gives(
            "net.cidr_intersects",
            &["`10.0.0.0/8`", "`11.0.0.0/8`"],
            Some("false"),
        );
        gives("net.cidr_is_valid", &["`10.0.0.0/8`"], Some("true"));
        gives("net.cidr_is_valid", &["`10.0.0.0`"], Some("false"));
        gives(
            "net.cidr_expand",
            &["`10.0.0.6/31`"],
            Some("{`10.0.0.6`, `10.0.0.7`}"),
        );
        gives("net.cidr_expand", &["`::/0`"], None);
        gives(
            "net.cidr_merge",
            &["[`10.0.0.0/25`, `10.0.0.128/25`, `10.0.1.0/32`]"],
            Some("{`10.0.0.0/24`, `10.0.1.0/32`}"),
        );
        gives(
            "net.cidr_merge",
            &["{`0.0.0.0/0`, `::/0`, `::1/128`}"],
            Some("{`0.0.0.0/0`, `::/0`}"),
        );
        gives(
            "net.cidr_merge",
            &["[`10.0.0.1/32`, `10.0.0.2/32`, `10.0.0.3/32`]"],
            Some("{`10.0.0.1/32`, `10.0.0.2/31`}"),
        );
        gives(
            "net.cidr_merge",
            &["[`192.0.128.0`, `192.0.129.7`]"],
            Some("{`192.0.128.0/23`}"),
        );
        gives("net.cidr_merge", &["[`224.0.0.1`]"], None);
        gives("net.cidr_merge", &["[`::1`]"], None);
        gives("net.cidr_merge", &["[`x`]"], None);
        gives(
            "net.cidr_contains_matches",
            &["[`10.0.0.0/8`]", "{`a`: `10.0.0.1`, `b`: `11.0.0.1`}"],
            Some("{[0, `a`]}"),
        );
    }
}
