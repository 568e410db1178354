//! Statement of what survives a crash of the server.

use crate::core::{Core, place};
use crate::failure::Failure;
use crate::monitor::{self, Sync};
use crate::stream::Info;
use std::time::Duration;

/// Describes server and bucket, and what survives a crash.
pub(crate) async fn statement(core: &Core) -> Result<String, Failure> {
    let info = core.compare().await?;
    let server = core.connection.client().server_info();
    let sync = match &core.options.monitor {
        None => Err("name the address at which the server reports it as `monitor`".to_owned()),
        Some(url) => monitor::sync(url, &server.server_id, core.connection.timeout()).await,
    };
    let place = place(&core.options).display().to_string();
    Ok(stated(&place, &server.version, &info, &sync))
}

fn stated(place: &str, version: &str, info: &Info, sync: &Result<Sync, String>) -> String {
    let copies = match info.config.num_replicas {
        0 | 1 => "1 copy".to_owned(),
        more => format!("{more} copies"),
    };
    let killed = "a server that is killed loses nothing";
    let power = match info.config.num_replicas {
        0 | 1 => "one that loses power",
        _ => "servers with most of the copies that lose power at once",
    };
    let durable = match sync {
        Ok(Sync::Always) => {
            format!("`sync_interval` is `always`, so that {killed}, and neither does {power}")
        }
        Ok(Sync::Every(interval)) => format!(
            "`sync_interval` is {}, so that {killed}, and {power} can lose the changes of that time; hosts that knew them then deny counted requests (set `sync_interval: always`)",
            shown(*interval)
        ),
        Err(why) => format!(
            "{killed}; what {power} loses depends on `sync_interval`, 2 minutes by default, which is unknown: {why}"
        ),
    };
    format!(
        "{place}: nats-server {version}, {copies} in a {}; {durable}",
        info.config.storage
    )
}

/// A duration in the largest unit that divides it.
fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (duration.subsec_nanos(), seconds % 60) {
        (0, 0) if seconds > 0 => format!("{} min", seconds / 60),
        (0, _) => format!("{seconds} s"),
        _ => format!("{duration:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stated_of(replicas: usize, sync: Result<Sync, String>) -> String {
        let info = serde_json::from_value(json!({
            "config": { "storage": "file", "num_replicas": replicas },
            "created": "",
            "state": { "last_seq": 1 },
        }));
        stated("nats://a, bucket `b`", "2.15.1", &info.unwrap(), &sync)
    }

    #[test]
    fn the_statement_names_what_a_loss_of_power_costs() {
        let minutes = Sync::Every(Duration::from_secs(120));
        let one = stated_of(1, Ok(minutes));
        assert!(
            one.contains("nats-server 2.15.1, 1 copy in a file"),
            "{one}"
        );
        assert!(
            one.contains("is 2 min") && one.contains("can lose"),
            "{one}"
        );
        let three = stated_of(3, Ok(minutes));
        assert!(three.contains("3 copies") && three.contains("most of the copies"));
        let always = stated_of(1, Ok(Sync::Always));
        assert!(always.contains("`always`") && !always.contains("can lose"));
        let unknown = stated_of(1, Err("why".to_owned()));
        assert!(unknown.contains("is unknown: why"), "{unknown}");
    }
}
