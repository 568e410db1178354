//! A narrowed intent permits no more than before.
//!
//! Chains of intents are made by narrowing step by step, and each is tested with every request of a small
//! world: permitted requests, and those at the limits.

use portcullis_host::state::EmbeddedState;
use portcullis_host::{
    ActionClass, Constraint, Integration, Intent, Intents, Operator, Pdp, Principal, PrincipalKind,
    Request, RequestLimits, Resource, StoredIntent, Timestamp,
};
use portcullis_tests::guests;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);

/// Number of chains. At least a tenth as many are of each tested kind.
const CASES: u32 = 1000;

/// Default lifetime of an integration's grants.
const GRANT: Duration = Duration::from_secs(300);

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// Returns the principal at that place of a chain, which approves the next intent.
fn principal(place: usize) -> String {
    match place {
        0 => "alice@acme.example".to_owned(),
        place => format!("spiffe://acme.example/{place}"),
    }
}

/// The contents of an intent, as far as they vary here.
#[derive(Debug, Clone)]
struct Terms {
    allows: Vec<Allows>,
    /// Pairs of an action and a resource.
    denies: Vec<(&'static str, &'static str)>,
    /// Start in seconds from now.
    begins: u64,
    ends: u64,
    uses: Option<u64>,
}

#[derive(Debug, Clone)]
struct Allows {
    action: &'static str,
    resource: &'static str,
    arguments: Arguments,
    constraints: Vec<Constraint>,
    uses: Option<u64>,
}

/// The arguments that an allowance permits.
#[derive(Debug, Clone)]
enum Arguments {
    /// The allowance does not mention arguments.
    Unsaid,
    Open,
    /// The required arguments, and the optional ones.
    Only(Vec<&'static str>, Vec<&'static str>),
}

/// One narrowing step. An index selects a part of the intent, modulo their number.
#[derive(Debug, Clone)]
enum Step {
    DropAllowance(Index),
    Action(Index, Index),
    Resource(Index, Index),
    Constrain(Index, Constraint),
    Arguments(Index, Index),
    /// Begins later, by tenths of its duration.
    Begin(u64),
    /// Ends earlier, by tenths of its duration.
    End(u64),
    Uses(u64),
    AllowanceUses(Index, u64),
    Deny(&'static str, &'static str),
}

impl Terms {
    fn narrowed(mut self, steps: &[Step]) -> Self {
        for step in steps {
            self.narrow(step);
        }
        self
    }

    fn narrow(&mut self, step: &Step) {
        let time = self.ends - self.begins;
        let fewer = |uses: Option<u64>, most: u64| Some(uses.map_or(most, |uses| uses.min(most)));
        match step {
            Step::DropAllowance(place) => {
                if self.allows.len() > 1 {
                    let place = place.index(self.allows.len());
                    self.allows.remove(place);
                }
            }
            Step::Action(place, which) => {
                let allows = place.get_mut(&mut self.allows);
                allows.action = tighter(allows.action, *which);
            }
            Step::Resource(place, which) => {
                let allows = place.get_mut(&mut self.allows);
                allows.resource = tighter(allows.resource, *which);
            }
            Step::Constrain(place, new) => {
                let constraints = &mut place.get_mut(&mut self.allows).constraints;
                // A constraint that follows from the new one is redundant.
                let mut narrowed = constraints.clone();
                narrowed.retain(|old| !old.follows_from(std::slice::from_ref(new)));
                narrowed.push(new.clone());
                // An intent with contradicting constraints is invalid.
                if Constraint::contradiction(&narrowed).is_none() {
                    *constraints = narrowed;
                }
            }
            Step::Arguments(place, which) => {
                place.get_mut(&mut self.allows).arguments.narrow(*which);
            }
            Step::Begin(tenths) => self.begins += time * tenths / 10,
            Step::End(tenths) => self.ends -= time * tenths / 10,
            Step::Uses(most) => self.uses = fewer(self.uses, *most),
            Step::AllowanceUses(place, most) => {
                let allows = place.get_mut(&mut self.allows);
                allows.uses = fewer(allows.uses, *most);
            }
            Step::Deny(action, resource) => self.denies.push((*action, *resource)),
        }
    }

    /// Returns the intent with these terms, at that place of a chain called `name`.
    fn document(&self, name: &str, place: usize, parent: Option<&StoredIntent>) -> Value {
        let with_uses = |mut value: Value, uses: Option<u64>| {
            if let Some(uses) = uses {
                value["max-uses"] = json!(uses);
            }
            value
        };
        let allows: Vec<_> = self
            .allows
            .iter()
            .map(|one| {
                let mut allowance = json!({
                    "integration": "x", "action": one.action, "resource": one.resource,
                    "constraints": one.constraints,
                });
                match &one.arguments {
                    Arguments::Unsaid => {}
                    Arguments::Open => allowance["arguments"] = json!("open"),
                    Arguments::Only(required, optional) => {
                        allowance["arguments"] =
                            json!({ "required": required, "optional": optional });
                    }
                }
                with_uses(allowance, one.uses)
            })
            .collect();
        let denies: Vec<_> = self
            .denies
            .iter()
            .map(|(action, resource)| json!({ "integration": "x", "action": action, "resource": resource }))
            .collect();
        let mut document = json!({
            "id": format!("{name}-{place}"), "purpose": "p", "principal": principal(place + 1),
            "approved-by": { "who": principal(place), "at": NOW },
            "issued-at": after(self.begins), "expires-at": after(self.ends),
            "allows": allows, "denies": denies,
        });
        if let Some(parent) = parent {
            let digest = parent.digest().to_string();
            document["parent"] = json!({ "id": parent.id, "digest": digest });
        }
        with_uses(document, self.uses)
    }
}

impl Arguments {
    /// Returns a list of all arguments. The constraints are on the first two.
    fn listed() -> Self {
        Self::Only(Vec::new(), vec!["/n", "/labels", "/more/a", "/more/b"])
    }

    /// Lists all arguments, makes an optional one required, or removes one.
    fn narrow(&mut self, which: Index) {
        match self {
            Self::Unsaid => {}
            Self::Open => *self = Self::listed(),
            Self::Only(required, optional) if !optional.is_empty() => {
                let place = which.index(optional.len());
                let one = optional.remove(place);
                if !one.starts_with("/more") || place.is_multiple_of(2) {
                    required.push(one);
                }
            }
            Self::Only(..) => {}
        }
    }
}

/// Returns a narrower pattern, or the same one if there is none.
fn tighter(pattern: &'static str, which: Index) -> &'static str {
    let tighter: &'static [&'static str] = match pattern {
        "*" => &["a.*", "*.x", "b.y"],
        "a.*" => &["a.x", "a.y"],
        "*.x" => &["a.x", "b.x"],
        "**" => &["o/**", "*/r", "o/*"],
        "o/**" => &["o/*", "o/q/r"],
        "o/*" => &["o/r", "o/s"],
        "*/r" => &["o/r", "p/r"],
        last => return last,
    };
    which.get::<&'static str>(tighter)
}

fn at_n(operator: Operator, operand: Value) -> Constraint {
    Constraint::new("/n", operator, operand).unwrap()
}

fn constraint() -> impl Strategy<Value = Constraint> {
    let numbers: Vec<u32> = (0..10).collect();
    prop_oneof![
        (3_u32..10).prop_map(|most| at_n(Operator::AtMost, json!(most))),
        (0_u32..6).prop_map(|least| at_n(Operator::AtLeast, json!(least))),
        prop::sample::subsequence(numbers, 3..8)
            .prop_map(|some| at_n(Operator::OneOf, json!(some))),
        Just(Constraint::new("/labels", Operator::SubsetOf, json!(["a", "b"])).unwrap()),
        Just(Constraint::new("/labels", Operator::SubsetOf, json!(["a"])).unwrap()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let place = any::<Index>;
    prop_oneof![
        place().prop_map(Step::DropAllowance),
        (place(), place()).prop_map(|(place, which)| Step::Action(place, which)),
        (place(), place()).prop_map(|(place, which)| Step::Resource(place, which)),
        (place(), constraint()).prop_map(|(place, new)| Step::Constrain(place, new)),
        (place(), place()).prop_map(|(place, which)| Step::Arguments(place, which)),
        (0_u64..4).prop_map(Step::Begin),
        (0_u64..4).prop_map(Step::End),
        (1_u64..9).prop_map(Step::Uses),
        (place(), 1_u64..9).prop_map(|(place, most)| Step::AllowanceUses(place, most)),
        prop::sample::select(vec![("a.y", "**"), ("*", "o/s"), ("b.*", "p/*")])
            .prop_map(|(action, resource)| Step::Deny(action, resource)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..4)
}

fn root() -> impl Strategy<Value = Terms> {
    let allows = (
        prop::sample::select(vec!["*", "a.*", "*.x"]),
        prop::sample::select(vec!["**", "o/**", "*/r"]),
        prop_oneof![
            1 => Just(Arguments::Unsaid),
            4 => Just(Arguments::Open),
            4 => Just(Arguments::listed()),
        ],
        prop::collection::vec(constraint(), 0..2),
    );
    let allows = allows.prop_map(|(action, resource, arguments, constraints)| Allows {
        action,
        resource,
        arguments,
        constraints: match Constraint::contradiction(&constraints) {
            None => constraints,
            Some(_) => Vec::new(),
        },
        uses: None,
    });
    (prop::collection::vec(allows, 1..4), 1_u64..20, 100_u64..500).prop_map(
        |(allows, begins, ends)| Terms {
            allows,
            denies: Vec::new(),
            begins,
            ends,
            uses: None,
        },
    )
}

/// Generates an intent, and those that are narrowed from it once or twice.
fn narrowed() -> impl Strategy<Value = Vec<Terms>> {
    (root(), prop::collection::vec(steps(), 0..3)).prop_map(|(root, narrowings)| {
        let mut chain = vec![root];
        for steps in narrowings {
            let last = chain[chain.len() - 1].clone();
            chain.push(last.narrowed(&steps));
        }
        chain
    })
}

/// Builds the chain of these terms, with each intent read by `read`.
fn chain(
    name: &str,
    terms: &[Terms],
    read: impl Fn(&[u8]) -> Arc<StoredIntent>,
) -> Vec<Arc<StoredIntent>> {
    let mut chain: Vec<Arc<StoredIntent>> = Vec::new();
    for (place, terms) in terms.iter().enumerate() {
        let document = terms.document(name, place, chain.last().map(|parent| &**parent));
        chain.push(read(document.to_string().as_bytes()));
    }
    chain
}

fn read(document: &[u8]) -> Arc<StoredIntent> {
    Arc::new(StoredIntent::from_json(document).unwrap())
}

/// Returns all requests: each bound of an intent is met, exceeded and left out.
fn world() -> Vec<Request> {
    let mut arguments = vec![json!({}), json!({ "n": "3" }), json!({ "n": 2.5 })];
    arguments.extend((0..11).map(|n| json!({ "n": n })));
    let more = [
        json!(1),
        json!({ "a": 1 }),
        json!({ "a": 1, "b": 2 }),
        json!({ "c": 1 }),
    ];
    arguments.extend(more.map(|more| json!({ "n": 3, "more": more })));
    let labels = [json!(null), json!(["a"]), json!(["b", "c"])];
    let mut world = Vec::new();
    for action in ["a.x", "a.y", "b.x", "b.y"] {
        for id in ["o/r", "o/s", "p/r", "o/q/r", "o", "o/../p/r"] {
            for arguments in &arguments {
                for labels in &labels {
                    let mut arguments = arguments.clone();
                    if !labels.is_null() {
                        arguments["labels"] = labels.clone();
                    }
                    let resource = Resource {
                        id: id.into(),
                        ..Resource::default()
                    };
                    let request = Request::builder(
                        "x",
                        Principal {
                            id: "agent-x".into(),
                            ..Principal::default()
                        },
                        action,
                        resource,
                    )
                    .arguments(arguments)
                    .build(&RequestLimits::default())
                    .unwrap();
                    world.push(request);
                }
            }
        }
    }
    world
}

/// True if the intent allows the request, whose action is unclassified.
fn allows(intent: &StoredIntent, request: &Request) -> bool {
    allows_of(ActionClass::Unclassified, intent, request)
}

fn allows_of(class: ActionClass, intent: &StoredIntent, request: &Request) -> bool {
    intent.allowance_for(request, class).is_some()
}

fn count(of: &Cell<u32>) {
    of.set(of.get() + 1);
}

#[test]
fn what_is_within_another_intent_allows_nothing_that_it_does_not() {
    let world = world();
    let (within, beyond) = (Cell::new(0), Cell::new(0));
    // Two intents from one root: the child has the parent's steps, or all but one, and some more.
    let cases = (root(), steps(), steps(), prop::option::of(any::<Index>()));
    TestRunner::new(ProptestConfig::with_cases(CASES))
        .run(&cases, |(root, mut steps, more, left_out)| {
            let parent = root.clone().narrowed(&steps);
            if let Some(left_out) = left_out {
                let left_out = left_out.index(steps.len());
                steps.remove(left_out);
            }
            steps.extend(more);
            let chain = chain("int", &[parent, root.narrowed(&steps)], read);
            let (parent, child) = (&chain[0], &chain[1]);
            let allowed = || world.iter().filter(move |request| allows(child, request));
            if child.is_within(parent).is_ok() {
                for class in [ActionClass::Unclassified, ActionClass::Read] {
                    for request in world.iter().filter(|it| allows_of(class, child, it)) {
                        assert!(allows_of(class, parent, request), "{request:?}");
                    }
                }
                assert!(parent.issued_at <= child.issued_at);
                assert!(child.expires_at <= parent.expires_at);
                if allowed().next().is_some() {
                    count(&within);
                }
            } else if allowed().any(|request| !allows(parent, request)) {
                count(&beyond);
            }
            Ok(())
        })
        .unwrap();
    let (within, beyond) = (within.get(), beyond.get());
    assert!(
        within >= CASES / 10 && beyond >= CASES / 50,
        "{within} within, {beyond} beyond"
    );
}

#[test]
fn no_sequence_of_narrowings_ever_permits_more() {
    let world = world();
    // By the number of narrowings: chains whose last intent allows a request, and those whose last
    // narrowing excludes one.
    let allowing: [Cell<u32>; 3] = Default::default();
    let losing: [Cell<u32>; 3] = Default::default();
    TestRunner::new(ProptestConfig::with_cases(CASES))
        .run(&narrowed(), |terms| {
            let chain = chain("int", &terms, read);
            let (mut allowed, mut lost) = (false, false);
            for pair in chain.windows(2) {
                assert_eq!(pair[1].is_within(&pair[0]), Ok(()), "it was narrowed");
            }
            for request in &world {
                let inside: Vec<_> = chain.iter().map(|intent| allows(intent, request)).collect();
                assert!(
                    inside.windows(2).all(|pair| pair[0] || !pair[1]),
                    "{request:?} {inside:?}"
                );
                allowed |= inside.ends_with(&[true]);
                lost |= inside.ends_with(&[true, false]);
            }
            let narrowings = chain.len() - 1;
            if allowed {
                count(&allowing[narrowings]);
            }
            if lost {
                count(&losing[narrowings]);
            }
            Ok(())
        })
        .unwrap();
    for narrowings in [1, 2] {
        let (allowing, losing) = (allowing[narrowings].get(), losing[narrowings].get());
        assert!(
            allowing >= CASES / 10 && losing >= CASES / 20,
            "{narrowings} narrowings: {allowing} allow, {losing} lose"
        );
    }
}

#[test]
fn what_is_permitted_is_within_every_intent_of_its_chain_and_ends_with_the_first() {
    let plugin = guests::hostile(json!({ "behaviour": "wide" }), guests::patient());
    let intents = Intents::default();
    let pdp = Pdp::builder()
        .integration(Integration::new("x").plugin(plugin))
        .intents(intents.clone(), [PrincipalKind::Agent])
        .state(Arc::new(EmbeddedState::in_memory(GRANT)))
        .build()
        .unwrap();
    let world = world();
    let mut runner = TestRunner::default();
    let cases = (narrowed(), any::<Index>(), 20_u64..600);
    // By the number of narrowings: denies and permits, and grants whose end comes from the chain.
    let mut counted = [[0_u32; 2]; 3];
    let mut end_with = [0_u32; 3];
    for case in 0..CASES {
        let (terms, which, credential) = cases.new_tree(&mut runner).unwrap().current();
        let name = format!("int-{case}");
        let chain = chain(&name, &terms, |document| intents.insert(document).unwrap());
        let (leaf, narrowings) = (&chain[chain.len() - 1], chain.len() - 1);
        // A request that the last intent allows, and one that only the first one does.
        let (inside, edge): (Vec<_>, Vec<_>) = world
            .iter()
            .filter(|request| allows(&chain[0], request))
            .partition(|request| allows(leaf, request));
        let asked = [inside, edge];
        let asked = asked.iter().filter(|some| !some.is_empty());
        for one in asked.map(|some| *which.get(some)) {
            let asks = Principal {
                id: principal(chain.len()),
                kind: PrincipalKind::Agent,
                credential_expires_at: Some(after(credential)),
                ..Principal::default()
            };
            let request = Request::builder("x", asks, one.action(), one.resource().clone())
                .arguments(one.arguments().clone())
                .intent(Intent {
                    id: leaf.id.clone(),
                    ..Intent::default()
                })
                .build(&RequestLimits::default())
                .unwrap();
            let Terms { begins, ends, .. } = terms[narrowings];
            for at in [
                begins - 1,
                begins,
                begins + (ends - begins) / 2,
                ends - 1,
                ends,
            ] {
                let now = after(at);
                let is_within = |intent: &Arc<StoredIntent>| {
                    intent.issued_at <= now && now < intent.expires_at && allows(intent, &request)
                };
                let expected = chain.iter().all(is_within) && at < credential;
                let decision = pdp.evaluate_at(&request, now);
                assert_eq!(
                    decision.is_permit(),
                    expected,
                    "{terms:?} {request:?} at {now}: {decision:?}"
                );
                counted[narrowings][usize::from(expected)] += 1;
                let Some(grant) = decision.grant() else {
                    continue;
                };
                let ends = chain.iter().map(|intent| intent.expires_at).min().unwrap();
                let others = now.plus(GRANT).min(after(credential));
                assert_eq!(grant.expires_at(), ends.min(others), "{terms:?}");
                end_with[narrowings] += u32::from(ends < others);
                for intent in &chain {
                    let allowance = intent
                        .allowance_for(&request, ActionClass::Unclassified)
                        .unwrap();
                    for constraint in &allowance.constraints {
                        assert!(grant.constraints().contains(constraint), "{constraint}");
                    }
                    if intent.max_uses.is_some() || allowance.max_uses.is_some() {
                        assert_eq!(grant.remaining_uses(), Some(1));
                    }
                }
            }
        }
    }
    for narrowings in [0, 1, 2] {
        let [denies, permits] = counted[narrowings];
        let of_chain = end_with[narrowings];
        assert!(
            denies >= CASES / 10 && permits >= CASES / 10 && of_chain >= CASES / 20,
            "{narrowings} narrowings: {denies} denies, {permits} permits, {of_chain} end with the chain"
        );
    }
}
