//! `portcullis intent explain`.

use crate::exit::Exit;
use crate::file;
use crate::output::{self, BAD, FAINT, GOOD, STRONG, shown, styled};
use crate::requests::From as Format;
use crate::secrets::request_has_token;
use portcullis_host::{ActionClass, Request, StoredIntent, Timestamp, counted};
use std::path::PathBuf;

/// Show what an intent allows; and for a request, clause by clause, whether it is within the intent.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The intent's id.
    id: String,
    #[command(flatten)]
    from: super::verify::From,
    /// A request to compare with the intent.
    #[arg(long)]
    request: Option<PathBuf>,
    /// The format of the request. By default it is detected: an MCP request has `integration`, `principal`
    /// and `message`.
    #[arg(long = "from", value_enum, requires = "request")]
    format: Option<Format>,
    /// The class of the action in the operator's configuration: `read`, `write`, `destructive`,
    /// `exfiltration` or `admin`. The default is for an action without a class.
    #[arg(long, value_parser = class, default_value = "unclassified", requires = "request")]
    class: ActionClass,
    /// The time of the evaluation, as in RFC 3339. By default the system's clock.
    #[arg(long)]
    now: Option<Timestamp>,
}

/// Parses the name of a class.
fn class(text: &str) -> Result<ActionClass, String> {
    serde_json::from_value(text.into()).map_err(|_| {
        "it is `read`, `write`, `destructive`, `exfiltration`, `admin` or `unclassified`".to_owned()
    })
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Some((intents, refused)) = args.from.read()? else {
        return Ok(Exit::Invalid);
    };
    for (file, error) in &refused {
        let text = format!("{}: {error}", file.display());
        output::note(&shown(&text));
    }
    let Some(chain) = intents.chain(&args.id) else {
        let folder = shown(&args.from.folder().display().to_string());
        output::error(&format!(
            "there is no intent `{}` in {folder}: `portcullis intent verify {folder}` lists those that are",
            shown(&args.id)
        ));
        return Ok(Exit::Invalid);
    };
    let request = match &args.request {
        None => None,
        Some(file) => {
            let json = file::read(file)?;
            if request_has_token(&json) {
                output::warn_of_token(&file.display().to_string());
            }
            let format = Format::of(args.format, &json);
            match format.and_then(|format| format.read(&json, None)) {
                Ok(request) => Some(request),
                Err(error) => {
                    output::error(&shown(&format!("{}: {error}", file.display())));
                    return Ok(Exit::Invalid);
                }
            }
        }
    };
    let now = args.now.unwrap_or_else(Timestamp::now);
    let mut within = true;
    for (depth, intent) in chain.iter().enumerate() {
        within &= explain(intent, depth, request.as_ref(), args.class, now)?;
    }
    if let (Some(request), Some(last)) = (&request, chain.last()) {
        let asks = &request.principal().id;
        let is_theirs = last.principal == *asks;
        if !is_theirs {
            clause(0, Some(false), &format!("the request is of {asks}"))?;
        }
        let names = request.intent().map_or("none", |intent| intent.id.as_str());
        if names != last.id {
            clause(0, Some(false), &format!("the request names intent {names}"))?;
        }
        within &= is_theirs && names == last.id;
        let verdict = if within {
            styled(GOOD, "within")
        } else {
            styled(BAD, "outside")
        };
        output::line(&format!("the request is {verdict} it"))?;
    }
    Ok(match request {
        Some(_) if !within => Exit::Deny,
        _ => Exit::Success,
    })
}

/// Prints every clause of one intent. Returns true if the request is within it.
fn explain(
    intent: &StoredIntent,
    depth: usize,
    request: Option<&Request>,
    class: ActionClass,
    now: Timestamp,
) -> anyhow::Result<bool> {
    let head = if depth == 0 { "intent" } else { "delegated as" };
    output::line(&format!(
        "{}{head} {} of {}, approved by {}: {}",
        "  ".repeat(depth),
        styled(STRONG, &shown(&intent.id)),
        shown(&intent.principal),
        shown(&intent.approved_by),
        shown(&intent.purpose),
    ))?;
    let in_time = intent.issued_at <= now && now < intent.expires_at;
    let time = format!(
        "is valid from {} to {}",
        intent.issued_at, intent.expires_at
    );
    clause(depth, Some(in_time), &time)?;
    if let Some(uses) = intent.max_uses {
        clause(
            depth,
            None,
            &format!(
                "may be used {}, including by intents delegated from it",
                counted(uses, "time")
            ),
        )?;
    }
    if let Some(exception) = &intent.exception {
        let waives: Vec<_> = exception.waives.iter().map(|it| it.as_str()).collect();
        let text = format!(
            "is an exception from {}, with the owner {}",
            waives.join(", "),
            exception.owner
        );
        clause(depth, None, &text)?;
    }
    for denial in &intent.denies {
        let spared = request.map(|request| !denial.includes(request));
        let does = if spared == Some(true) {
            "does not deny it by"
        } else {
            "denies"
        };
        clause(depth, spared, &format!("{does} {denial}"))?;
    }
    for allowance in &intent.allows {
        let included = request.map(|request| allowance.includes(request, class));
        clause(depth, included, &format!("allows {allowance}"))?;
        let Some(request) = request.filter(|_| included == Some(false)) else {
            continue;
        };
        let same = allowance.integration == request.integration();
        let parts = [
            (
                same,
                format!("the integration is {}", request.integration()),
            ),
            (
                allowance.action.matches(request.action()),
                format!("the action is {}", request.action()),
            ),
            (
                request.resource_matches(&allowance.resource),
                format!("the resource is {}", request.resource().id),
            ),
        ];
        for (holds, text) in parts {
            clause(depth + 1, Some(holds), &text)?;
        }
        let listed = match &allowance.arguments {
            None => (
                class == ActionClass::Read,
                format!(
                    "the allowance has no `arguments`, and the action is {}",
                    class.as_str()
                ),
            ),
            Some(arguments) => {
                let other = arguments.other_than(request.arguments());
                let text = other
                    .as_deref()
                    .unwrap_or("the arguments are those that are listed");
                (other.is_none(), text.to_owned())
            }
        };
        clause(depth + 1, Some(listed.0), &listed.1)?;
        for constraint in &allowance.constraints {
            let met = constraint.met_by(request.arguments(), request.origins());
            clause(
                depth + 1,
                Some(met),
                &format!("the arguments meet {constraint}"),
            )?;
        }
    }
    Ok(in_time && request.is_none_or(|request| intent.allowance_for(request, class).is_some()))
}

fn clause(depth: usize, holds: Option<bool>, text: &str) -> std::io::Result<()> {
    let mark = match holds {
        Some(true) => styled(GOOD, "yes"),
        Some(false) => styled(BAD, " no"),
        None => styled(FAINT, "  -"),
    };
    output::line(&format!("{}  {mark} {}", "  ".repeat(depth), shown(text)))
}
