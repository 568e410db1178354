//! Arguments that an allowance permits in a call.

use portcullis_contract::{
    ActionClass, Constraint, Operator, escape_key, excerpt, is_at_or_below, work,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

/// Permitted arguments of a call.
///
/// An allowance without `arguments` permits only actions that the operator classified as `read`.
#[derive(Debug, Clone, PartialEq)]
pub enum Arguments {
    /// Any arguments: `"arguments": "open"`.
    Open,
    /// Listed arguments only: `"arguments": { "required": ["/to"], "optional": ["/subject"] }`.
    Only(KnownArguments),
}

/// Required and optional arguments of a call, as JSON Pointers.
///
/// A pointer deeper than a member of the arguments restricts its parents too: with `/message/to` alone,
/// `/message` may hold nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownArguments {
    required: Vec<String>,
    optional: Vec<String>,
    /// Arguments that a constraint requires, which need not be listed.
    constrained: Vec<String>,
    members: Members,
}

/// Permitted members of an object by name, or items of a list by index.
pub(super) type Members = BTreeMap<String, Below>;

/// Permitted content of a member.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Below {
    /// Any content.
    Anything,
    /// An object or a list that is not empty and holds only these members.
    Only(Members),
}

/// Difference between a call's arguments and those of an allowance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ArgumentsDiffer {
    /// A required argument is missing.
    Missing(String),
    /// The call has an argument that is not listed.
    Unlisted(String),
}

impl KnownArguments {
    /// Combines listed and constrained arguments.
    ///
    /// # Errors
    ///
    /// A listed pointer that is duplicated, includes another listed one or lies within it.
    pub(super) fn new(
        required: Vec<String>,
        optional: Vec<String>,
        constraints: &[Constraint],
    ) -> Result<Self, String> {
        let mut members = Members::new();
        for listed in required.iter().chain(&optional) {
            if !insert(&mut members, listed) {
                return Err(listed.clone());
            }
        }
        // Deepest first: a constraint on a whole value does not admit more than the constraints inside it.
        let mut paths: Vec<_> = constraints.iter().map(Constraint::path).collect();
        paths.sort_unstable_by_key(|path| std::cmp::Reverse(path.len()));
        paths.dedup();
        for path in paths.iter().filter(|path| !path.is_empty()) {
            insert(&mut members, path);
        }
        // An argument that may be absent is permitted and not required.
        let is_required = |path: &&str| {
            let mut own = constraints.iter().filter(|it| it.path() == *path);
            own.any(|it| !it.admits_absence())
        };
        let is_listed = |path: &&str| required.iter().chain(&optional).any(|it| it == path);
        let mut constrained: Vec<_> = paths
            .into_iter()
            .filter(|path| !path.is_empty() && !is_listed(path) && is_required(path))
            .map(str::to_owned)
            .collect();
        constrained.sort();
        Ok(Self {
            required,
            optional,
            constrained,
            members,
        })
    }

    /// True if a call may have no argument at all.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Required arguments, as listed.
    pub fn required(&self) -> &[String] {
        &self.required
    }

    /// Optional arguments, as listed.
    pub fn optional(&self) -> &[String] {
        &self.optional
    }

    /// Arguments that only a constraint names.
    pub(super) fn constrained(&self) -> &[String] {
        &self.constrained
    }

    /// Permitted members of the arguments.
    pub(super) fn members(&self) -> &Members {
        &self.members
    }

    /// First difference between a call's arguments and these, if any.
    pub(super) fn differ(&self, arguments: &Value) -> Option<ArgumentsDiffer> {
        let missing = self
            .required
            .iter()
            .find(|it| !work::count(MEMBER_COST + it.len()) || arguments.pointer(it).is_none());
        if let Some(missing) = missing {
            return Some(ArgumentsDiffer::Missing(missing.clone()));
        }
        let mut first = None;
        let _ = visit_unlisted(arguments, &self.members, None, &mut |at| {
            first = Some(at.to_string());
            ControlFlow::Break(())
        });
        first.map(ArgumentsDiffer::Unlisted)
    }

    /// The first `most` arguments of a call that these do not include, as JSON Pointers, and the number of further ones.
    pub(super) fn unlisted(&self, arguments: &Value, most: usize) -> (Vec<String>, usize) {
        let mut first = Vec::new();
        let mut further = 0;
        let _ = visit_unlisted(arguments, &self.members, None, &mut |at| {
            match first.len() < most {
                true => first.push(at.to_string()),
                false => further += 1,
            }
            ControlFlow::Continue(())
        });
        (first, further)
    }

    /// True if `other` permits every call that these arguments permit.
    fn is_within(&self, other: &Self) -> bool {
        let demanded = || self.required.iter().chain(&self.constrained);
        other
            .required
            .iter()
            .all(|theirs| demanded().any(|ours| is_at_or_below(ours, theirs)))
            && are_within(&self.members, &other.members)
    }
}

impl Arguments {
    /// True if `theirs` permits every call that `ours` and `constraints` permit.
    ///
    /// The class of the action does not matter.
    pub(super) fn are_within(
        ours: Option<&Self>,
        constraints: &[Constraint],
        theirs: Option<&Self>,
    ) -> bool {
        match (ours, theirs) {
            // `None` permits reads only, and every `Some` permits other actions too.
            (_, Some(Self::Open)) | (None, None) => true,
            (Some(_), None) => false,
            (Some(Self::Only(ours)), Some(Self::Only(theirs))) if ours.is_within(theirs) => true,
            // If a constraint fixes the arguments as a whole, those are compared.
            // Open arguments also permit answers to questions of the server, which no constraint is about.
            (Some(Self::Open), Some(Self::Only(_))) => false,
            (_, Some(Self::Only(theirs))) => {
                let whole =
                    |it: &&Constraint| it.path().is_empty() && it.operator() == Operator::Equals;
                let exact = constraints.iter().find(whole);
                exact.is_some_and(|exact| theirs.differ(exact.operand()).is_none())
            }
        }
    }

    /// Difference between a call's arguments and these, for people.
    ///
    /// `None` if the arguments are permitted.
    pub fn other_than(&self, arguments: &Value) -> Option<String> {
        let Self::Only(known) = self else {
            return None;
        };
        // The request controls the name, so that it is bounded before it is shown.
        Some(match known.differ(arguments)? {
            ArgumentsDiffer::Missing(at) => format!("it has no argument `{}`", excerpt(&at)),
            ArgumentsDiffer::Unlisted(at) => format!(
                "its argument `{}` is not among the allowed arguments: leave it out, or have it approved as well",
                excerpt(&at)
            ),
        })
    }

    /// The arguments as JSON, in the form of an intent.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Open => json!("open"),
            Self::Only(known) => written(&known.required, &known.optional),
        }
    }
}

/// True if an allowance without `arguments` permits actions of that class.
///
/// Only actions that the operator classified as `read` are permitted. An unclassified action counts as
/// acting.
pub(super) fn may_be_unsaid(class: ActionClass) -> bool {
    class == ActionClass::Read
}

/// Missing `arguments` member of an allowance, filled with the known arguments.
pub fn member_to_write<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    // A request may control the names and their number.
    let known = known.into_iter().filter(|it| !it.is_empty()).take(8);
    let known: Vec<_> = known.map(excerpt).collect();
    format!("`\"arguments\": {}`", written(&known, &[]))
}

/// JSON Pointers of a call's arguments, one for each member.
pub fn members_of(arguments: &Value) -> Vec<String> {
    let members = arguments.as_object().into_iter().flatten();
    members
        .map(|(key, _)| format!("/{}", escape_key(key)))
        .collect()
}

fn written(required: &[String], optional: &[String]) -> Value {
    match optional {
        [] => json!({ "required": required }),
        optional => json!({ "required": required, "optional": optional }),
    }
}

/// Adds an argument. False if another one includes it or lies within it.
fn insert(members: &mut Members, pointer: &str) -> bool {
    let mut keys = pointer
        .split('/')
        .skip(1)
        .map(|key| key.replace("~1", "/").replace("~0", "~"))
        .peekable();
    let mut members = members;
    while let Some(key) = keys.next() {
        let is_last = keys.peek().is_none();
        match members.get(&key) {
            None if is_last => {
                members.insert(key, Below::Anything);
                return true;
            }
            None => {}
            Some(Below::Anything) => return false,
            Some(Below::Only(_)) if is_last => return false,
            Some(Below::Only(_)) => {}
        }
        let below = members
            .entry(key)
            .or_insert_with(|| Below::Only(Members::new()));
        match below {
            Below::Only(inner) => members = inner,
            Below::Anything => return false,
        }
    }
    false
}

/// Steps of a decision's budget for each member that is looked up.
const MEMBER_COST: usize = 24;

/// Place of a value within the arguments, written as a JSON Pointer where it is reported.
struct Place<'a> {
    above: Option<&'a Place<'a>>,
    key: &'a str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        write!(f, "/{}", escape_key(self.key))
    }
}

/// Visits the arguments that `members` does not include, until `visit` breaks.
///
/// Once the decision's budget is exhausted, the next argument counts as not included, and is the last.
///
/// Up to the first of them, the search looks at each entry of `members` at most once.
fn visit_unlisted(
    value: &Value,
    members: &Members,
    above: Option<&Place<'_>>,
    visit: &mut dyn FnMut(&Place<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut look = |key: &str, value: &Value| {
        let at = Place { above, key };
        if !work::count(MEMBER_COST + key.len()) {
            let _ = visit(&at);
            return ControlFlow::Break(());
        }
        match members.get(key) {
            Some(Below::Anything) => ControlFlow::Continue(()),
            Some(Below::Only(inner)) if holds_something(value) => {
                visit_unlisted(value, inner, Some(&at), visit)
            }
            None | Some(Below::Only(_)) => visit(&at),
        }
    };
    match value {
        Value::Object(object) => object.iter().try_for_each(|(key, value)| look(key, value)),
        Value::Array(list) => {
            let mut places = list.iter().enumerate();
            places.try_for_each(|(place, value)| look(&place.to_string(), value))
        }
        _ => ControlFlow::Continue(()),
    }
}

fn holds_something(value: &Value) -> bool {
    match value {
        Value::Object(object) => !object.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

fn are_within(ours: &Members, theirs: &Members) -> bool {
    ours.iter()
        .all(|(key, ours)| match (ours, theirs.get(key)) {
            (_, Some(Below::Anything)) => true,
            (Below::Only(ours), Some(Below::Only(theirs))) => are_within(ours, theirs),
            (Below::Anything, Some(Below::Only(_))) | (_, None) => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(required: &[&str], optional: &[&str]) -> KnownArguments {
        let owned = |list: &[&str]| list.iter().map(|&it| it.to_owned()).collect();
        KnownArguments::new(owned(required), owned(optional), &[]).unwrap()
    }

    fn differ(known: &KnownArguments, arguments: Value) -> bool {
        known.differ(&arguments).is_some()
    }

    #[test]
    fn arguments_are_those_that_are_listed_and_no_others() {
        let mail = known(&["/recipients"], &["/subject"]);
        for good in [
            json!({ "recipients": ["a"] }),
            json!({ "recipients": [], "subject": { "any": ["thing"] } }),
        ] {
            assert!(!differ(&mail, good.clone()), "{good}");
        }
        for bad in [
            json!({ "recipients": ["a"], "bcc": ["b"] }),
            json!({ "recipients": ["a"], "Subject": "b" }),
            json!({ "recipients": ["a"], "": "b" }),
            json!({ "recipients": ["a"], "subject/x": "b" }),
            json!({ "recipients": ["a"], "bcc": null }),
            json!({ "subject": "b" }),
            json!({}),
            json!(["a"]),
        ] {
            assert!(differ(&mail, bad.clone()), "{bad}");
        }
        assert!(!differ(&known(&[], &[]), json!({})));
        assert!(differ(&known(&[], &[]), json!({ "a": 1 })));
    }

    #[test]
    fn a_deeper_argument_closes_what_holds_it() {
        let deep = known(&["/options/root"], &["/options/a~1b", "/to/0"]);
        for good in [
            json!({ "options": { "root": { "x": 1 }, "a/b": 2 } }),
            json!({ "options": { "root": 1 }, "to": ["a"] }),
        ] {
            assert!(!differ(&deep, good.clone()), "{good}");
        }
        for bad in [
            json!({ "options": { "root": 1, "other": 2 } }),
            json!({ "options": { "root": 1 }, "to": ["a", "b"] }),
            json!({ "options": { "root": 1 }, "to": "a" }),
            json!({ "options": { "root": 1 }, "to": [] }),
            json!({ "options": "root" }),
            json!({ "options": {} }),
        ] {
            assert!(differ(&deep, bad.clone()), "{bad}");
        }
    }

    #[test]
    fn what_is_constrained_is_known() {
        let constraint = |path: &str| Constraint::new(path, Operator::Equals, json!(1)).unwrap();
        let constraints = ["", "/a", "/a/b", "/c"].map(constraint);
        let known = KnownArguments::new(vec!["/c".into()], Vec::new(), &constraints).unwrap();
        assert!(!differ(&known, json!({ "a": { "b": 1 }, "c": 1 })));
        assert!(differ(&known, json!({ "a": { "b": 1, "x": 2 }, "c": 1 })));
        assert!(differ(&known, json!({ "c": 1, "d": 1 })));
    }

    #[test]
    fn one_argument_is_listed_once() {
        for (required, optional) in [
            (&["/a", "/a"][..], &[][..]),
            (&["/a"][..], &["/a"][..]),
            (&["/a"][..], &["/a/b"][..]),
            (&["/a/b"][..], &["/a"][..]),
        ] {
            let owned = |list: &[&str]| list.iter().map(|&it| it.to_owned()).collect();
            let made = KnownArguments::new(owned(required), owned(optional), &[]);
            assert!(made.is_err(), "{required:?} {optional:?}");
        }
    }

    /// Arguments of which none includes another.
    fn some() -> impl Strategy<Value = Option<Arguments>> {
        let pointer = prop::sample::select(vec!["/a", "/b", "/c", "/a/x", "/a/y", "/a/0", "/b/x"]);
        let listed = prop::collection::vec((pointer.clone(), any::<bool>()), 0..4);
        let constrained = prop::collection::vec((pointer, any::<bool>()), 0..2);
        let only = (listed, constrained).prop_filter_map("overlap", |(listed, constrained)| {
            let of = |wanted: bool| {
                let some = listed.iter().filter(|(_, required)| *required == wanted);
                some.map(|(it, _)| (*it).to_owned()).collect::<Vec<_>>()
            };
            let constraints: Vec<_> = constrained
                .iter()
                .map(|(path, may_be_absent)| {
                    let (operator, operand) = (Operator::OriginIs, json!(["unknown"]));
                    let (operator, operand) = match may_be_absent {
                        false => (operator, operand),
                        true => (
                            Operator::AbsentOr,
                            json!({ "op": operator, "value": operand }),
                        ),
                    };
                    Constraint::new(*path, operator, operand).unwrap()
                })
                .collect();
            let known = KnownArguments::new(of(true), of(false), &constraints).ok()?;
            Some(Some(Arguments::Only(known)))
        });
        prop_oneof![1 => Just(None), 1 => Just(Some(Arguments::Open)), 8 => only]
    }

    /// True if the arguments permit the call.
    fn has(arguments: Option<&Arguments>, call: &Value, class: ActionClass) -> bool {
        match arguments {
            None => may_be_unsaid(class),
            Some(Arguments::Open) => true,
            Some(Arguments::Only(known)) => known.differ(call).is_none(),
        }
    }

    /// True if the call has the constrained arguments. Other tests cover implication between constraints.
    fn has_constrained(arguments: Option<&Arguments>, call: &Value) -> bool {
        match arguments {
            Some(Arguments::Only(known)) => {
                let mut constrained = known.constrained.iter();
                constrained.all(|it| call.pointer(it).is_some())
            }
            _ => true,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn what_is_within_has_no_call_that_the_other_has_not(ours in some(), theirs in some()) {
            let within = Arguments::are_within(ours.as_ref(), &[], theirs.as_ref());
            prop_assert!(Arguments::are_within(ours.as_ref(), &[], ours.as_ref()), "reflexive");
            if !within {
                return Ok(());
            }
            let values = [
                None, Some(json!(1)), Some(json!({})), Some(json!([])), Some(json!({ "x": 1 })),
                Some(json!({ "x": 1, "y": 2 })), Some(json!([1])), Some(json!([1, 2])), Some(json!({ "0": 1 })),
            ];
            for a in &values {
                for b in &values {
                    for c in &values[..2] {
                        let mut call = json!({});
                        for (key, value) in [("a", a), ("b", b), ("c", c)] {
                            if let Some(value) = value {
                                call[key] = value.clone();
                            }
                        }
                        for class in [ActionClass::Read, ActionClass::Write] {
                            if has(ours.as_ref(), &call, class) && has_constrained(ours.as_ref(), &call) {
                                prop_assert!(has(theirs.as_ref(), &call, class), "{call} {ours:?} {theirs:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}
