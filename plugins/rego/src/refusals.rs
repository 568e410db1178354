//! Refuses policies that `regorus` would evaluate differently from OPA, when they are loaded.
//!
//! Calls of unknown functions are refused too. An undefined deny rule would permit, so each refusal names
//! the place and an alternative. The list shrinks as `regorus` is fixed: OPA's conformance cases
//! (`tests/opa_cases.rs`) show when an entry can be removed.

use crate::builtins;
use crate::builtins::re2::{Pattern, PatternError};
use portcullis_sdk::{Json, SettingsError, escape_key};
use regorus::Value;
use regorus::unstable::{
    BUILTINS, Expr, Literal, LiteralStmt, Module, Query, Ref, Rule, RuleBody, RuleHead, Span,
};
use std::collections::{BTreeMap, BTreeSet};

/// The findings of reading the policies.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Literal patterns in the policies.
    pub(crate) patterns: BTreeSet<String>,
    /// The refusals.
    pub(crate) errors: Vec<SettingsError>,
    /// Rewrites to apply before evaluation, per file.
    pub(crate) edits: BTreeMap<String, Vec<Edit>>,
    /// Paths under `data` of the rules, up to a computed part, and their places.
    pub(crate) rules: Vec<(Vec<String>, String)>,
}

impl Read {
    /// Refuses members of `data` at the path of a rule: `regorus` would ignore the rule.
    pub(crate) fn shadowed(&self, data: &Json) -> Vec<SettingsError> {
        let shadowed = self.rules.iter().filter(|(path, _)| {
            let mut value = Some(data);
            for part in path {
                value = value.and_then(|value| value.get(part));
            }
            value.is_some()
        });
        let errors = shadowed.map(|(path, place)| {
            let pointer: String = path
                .iter()
                .map(|part| format!("/{}", escape_key(part)))
                .collect();
            SettingsError::new(
                format!("/data{pointer}"),
                format!("has the same path as the rule of {place}: rename one of them"),
            )
        });
        errors.collect()
    }
}

/// A replacement of a range of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    from: usize,
    to: usize,
    text: String,
}

/// Returns `text` with `edits` applied. The edits must not overlap.
pub(crate) fn edited(text: &str, edits: &[Edit]) -> String {
    let mut sorted: Vec<_> = edits.iter().collect();
    sorted.sort_by_key(|edit| edit.from);
    let (mut written, mut since) = (String::with_capacity(text.len()), 0);
    for edit in sorted {
        written.push_str(text.get(since..edit.from).unwrap_or_default());
        written.push_str(&edit.text);
        since = edit.to;
    }
    written.push_str(text.get(since..).unwrap_or_default());
    written
}

/// Reads `modules`. `place` returns the path in the settings of the file with that name.
pub(crate) fn read(modules: &[Ref<Module>], place: impl Fn(&str) -> String) -> Read {
    let functions: BTreeSet<_> = modules
        .iter()
        .flat_map(|module| functions(module))
        .collect();
    let mut read = Read::default();
    for module in modules {
        let package = path(&module.package.refr).unwrap_or_default();
        let of_package = modules
            .iter()
            .filter(|other| path(&other.package.refr).as_ref() == Some(&package));
        let names = of_package.flat_map(|other| names(other)).collect();
        let mut reader = Reader {
            functions: &functions,
            names,
            imports: imports(module),
            package,
            scopes: Vec::new(),
            place: &place,
            read: &mut read,
        };
        for rule in &module.policy {
            reader.rule(rule);
        }
    }
    overlaps(modules, &place, &mut read);
    for module in modules {
        for rule in &module.policy {
            let parts = parts(&module.package.refr, head(rule)).into_iter();
            let span = head(rule).span();
            let place = format!("{}:{}:{}", span.source.file(), span.line, span.col);
            read.rules
                .push((parts.map_while(|part| part).collect(), place));
        }
    }
    read
}

/// Returns the names of a module's functions, with `data.` and its package.
fn functions(module: &Module) -> Vec<String> {
    let package = path(&module.package.refr).unwrap_or_default();
    let rules = module.policy.iter();
    rules
        .filter_map(|rule| match rule.as_ref() {
            Rule::Spec {
                head: RuleHead::Func { refr, .. },
                ..
            } => path(refr),
            Rule::Default { refr, args, .. } if !args.is_empty() => path(refr),
            _ => None,
        })
        .map(|name| format!("data.{package}.{name}"))
        .collect()
}

/// Returns the names of a module's rules.
fn names(module: &Module) -> Vec<String> {
    let rules = module.policy.iter();
    rules.filter_map(|rule| root(head(rule))).collect()
}

fn head(rule: &Rule) -> &Expr {
    match rule {
        Rule::Default { refr, .. } => refr,
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { refr, .. }
            | RuleHead::Set { refr, .. }
            | RuleHead::Func { refr, .. } => refr,
        },
    }
}

/// Returns `a` of `a.b[c]`.
fn root(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Var { span, .. } => Some(span.text().to_owned()),
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => root(refr),
        _ => None,
    }
}

/// Returns the imported paths by the names that they are imported as.
fn imports(module: &Module) -> BTreeMap<String, String> {
    let imports = module.imports.iter().filter_map(|import| {
        let imported = path(&import.refr)?;
        let name = match &import.r#as {
            Some(name) => name.text().to_owned(),
            None => imported.rsplit('.').next()?.to_owned(),
        };
        Some((name, imported))
    });
    imports.collect()
}

/// Returns `a.b["c"]` as `a.b.c`.
fn path(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Var { span, .. } => Some(span.text().to_owned()),
        Expr::RefDot { refr, field, .. } => Some(format!("{}.{}", path(refr)?, field.0.text())),
        Expr::RefBrack { refr, index, .. } => match index.as_ref() {
            Expr::String {
                value: Value::String(index),
                ..
            } => Some(format!("{}.{index}", path(refr)?)),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the parts of a rule's path, with `None` for a computed part.
fn parts(package: &Expr, head: &Expr) -> Vec<Option<String>> {
    fn collect(expr: &Expr, parts: &mut Vec<Option<String>>) {
        match expr {
            Expr::Var { span, .. } => parts.push(Some(span.text().to_owned())),
            Expr::RefDot { refr, field, .. } => {
                collect(refr, parts);
                parts.push(Some(field.0.text().to_owned()));
            }
            Expr::RefBrack { refr, index, .. } => {
                collect(refr, parts);
                parts.push(match index.as_ref() {
                    Expr::String {
                        value: Value::String(index),
                        ..
                    } => Some(index.to_string()),
                    Expr::Number { span, .. } => Some(span.text().to_owned()),
                    _ => None,
                });
            }
            _ => parts.push(None),
        }
    }
    let mut parts = Vec::new();
    collect(package, &mut parts);
    collect(head, &mut parts);
    parts
}

/// Refuses a rule that names a part of its path where another rule computes it.
///
/// `regorus` loses the values that the computing rule gives under that name.
fn overlaps(modules: &[Ref<Module>], place: &impl Fn(&str) -> String, read: &mut Read) {
    let rules: Vec<_> = modules
        .iter()
        .flat_map(|module| {
            let rules = module.policy.iter();
            rules.map(move |rule| (parts(&module.package.refr, head(rule)), head(rule).span()))
        })
        .collect();
    let computed = rules.iter().filter(|(parts, _)| parts.contains(&None));
    for (parts, _) in computed {
        let named = rules.iter().find(|(other, _)| {
            let mut pairs = parts.iter().zip(other);
            matches!(
                pairs.find(|(one, other)| one != other),
                Some((None, Some(_)))
            )
        });
        if let Some((_, span)) = named {
            let file = span.source.file();
            let message = format!(
                "{file}:{}:{}: `{}` names a part of its path that another rule computes, and that rule would be undefined here: compute it in both, as in `p[name] contains x if {{ name := \"a\"; … }}`",
                span.line,
                span.col,
                span.text()
            );
            let error = SettingsError::new(place(file), message);
            if !read
                .errors
                .iter()
                .any(|other| other.message == error.message)
            {
                read.errors.push(error);
            }
        }
    }
}

struct Reader<'r, F> {
    functions: &'r BTreeSet<String>,
    names: BTreeSet<String>,
    package: String,
    imports: BTreeMap<String, String>,
    /// Variables with a value, one set per query, the innermost last.
    scopes: Vec<BTreeSet<String>>,
    place: &'r F,
    read: &'r mut Read,
}

impl<F: Fn(&str) -> String> Reader<'_, F> {
    fn refuse(&mut self, span: &Span, why: impl AsRef<str>) {
        let file = span.source.file();
        let message = format!("{file}:{}:{}: {}", span.line, span.col, why.as_ref());
        let place = (self.place)(file);
        self.read.errors.push(SettingsError::new(place, message));
    }

    fn rule(&mut self, rule: &Rule) {
        match rule {
            Rule::Default {
                refr, value, args, ..
            } => {
                if !args.is_empty() && !matches!(refr.as_ref(), Expr::Var { .. }) {
                    self.refuse(
                        refr.span(),
                        "a default of a function whose name has dots has another path than in OPA: give the function a name without dots",
                    );
                }
                self.expr(value);
                self.exprs(args);
            }
            Rule::Spec { head, bodies, .. } => {
                let mut arguments = BTreeSet::new();
                if let RuleHead::Func { args, .. } = head {
                    args.iter().for_each(|arg| variables(arg, &mut arguments));
                }
                self.scopes.push(arguments);
                self.head(head);
                for RuleBody { assign, query, .. } in bodies {
                    if let Some(assign) = assign {
                        self.expr(&assign.value);
                    }
                    self.query(query);
                }
                self.scopes.pop();
            }
        }
    }

    fn head(&mut self, head: &RuleHead) {
        let assign = match head {
            RuleHead::Compr { refr, assign, .. } => {
                self.reference(refr);
                assign.as_ref()
            }
            RuleHead::Set { refr, key, .. } => {
                self.reference(refr);
                if let Some(key) = key {
                    self.expr(key);
                }
                None
            }
            RuleHead::Func {
                refr, args, assign, ..
            } => {
                self.reference(refr);
                self.exprs(args);
                assign.as_ref()
            }
        };
        if let Some(assign) = assign {
            self.expr(&assign.value);
        }
    }

    fn query(&mut self, query: &Query) {
        let mut given = BTreeSet::new();
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeIn {
                    key,
                    value,
                    collection,
                    ..
                } => {
                    for expr in key.iter().chain([value, collection]) {
                        variables(expr, &mut given);
                    }
                }
                Literal::Expr { expr, .. } => variables(expr, &mut given),
                Literal::Every { domain, .. } => variables(domain, &mut given),
                Literal::SomeVars { .. } | Literal::NotExpr { .. } => {}
            }
        }
        self.scopes.push(given);
        for statement in &query.stmts {
            self.statement(statement);
        }
        self.scopes.pop();
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn {
                key,
                value,
                collection,
                ..
            } => {
                if let Some(key) = key {
                    self.expr(key);
                }
                self.expr(value);
                self.expr(collection);
            }
            Literal::Expr { expr, .. } => match expr.as_ref() {
                // The only form in which `regorus` returns every path and value.
                Expr::Call { fcn, params, .. } if self.is_walk(fcn) && params.len() == 2 => {
                    self.exprs(params);
                }
                Expr::Call { fcn, params, .. } if self.gives_last(fcn, params) => {
                    self.exprs(params);
                }
                _ => self.expr(expr),
            },
            Literal::NotExpr { expr, .. } => {
                if let Some(span) = self.searched(expr) {
                    self.refuse(
                        &span,
                        "`not` with an index that is searched for (`[_]`) is true here where one element does not match, and not where none does: write a rule that finds one and `not` of that rule, `every`, or `count(…) == 0`",
                    );
                }
                self.expr(expr);
            }
            Literal::Every {
                key,
                value,
                domain,
                query,
                ..
            } => {
                self.expr(domain);
                let of_each = key.iter().chain([value]);
                let of_each = of_each.map(|name| name.text().to_owned()).collect();
                self.scopes.push(of_each);
                self.query(query);
                self.scopes.pop();
            }
        }
        let last = statement.with_mods.len().saturating_sub(1);
        for (position, with) in statement.with_mods.iter().enumerate() {
            for side in [&with.refr, &with.r#as] {
                if self.is_walk(side) {
                    self.refuse(
                        side.span(),
                        "`walk` cannot be replaced by `with`, or replace a function: call it in a rule of its own",
                    );
                } else if let Some(name) = self.added(side) {
                    let why = format!(
                        "`with` cannot replace `{name}` or put it in place of another: write a function that calls it"
                    );
                    self.refuse(side.span(), why);
                } else {
                    self.expr(side);
                }
            }
            if let Some(span) = self.searched(&with.r#as) {
                self.refuse(
                    &span,
                    "`with` takes one value: write `some value in …` before it",
                );
            } else if position < last && !self.is_given(&with.r#as) {
                self.refuse(
                    with.r#as.span(),
                    "a value of `with` that another `with` follows may be undefined, and the rest would be evaluated without it: write `value := …` before it, and `with … as value`",
                );
            }
        }
    }

    /// Returns the name of a builtin that `regorus` lacks, if `side` of a `with` is one.
    ///
    /// `regorus` would replace nothing.
    fn added(&self, side: &Expr) -> Option<String> {
        let name = path(side).filter(|name| !self.is_function(name))?;
        (builtins::arity(&name).is_some() && !BUILTINS.contains_key(name.as_str())).then_some(name)
    }

    /// True if an expression is defined wherever its statement is evaluated, or names a function.
    fn is_given(&self, expr: &Expr) -> bool {
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => true,
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().all(|item| self.is_given(item))
            }
            Expr::Object { fields, .. } => {
                let mut fields = fields.iter();
                fields.all(|(_, key, value)| self.is_given(key) && self.is_given(value))
            }
            Expr::UnaryExpr { expr, .. } => self.is_given(expr),
            Expr::Var { span, .. } if self.is_variable(span.text()) => true,
            _ => path(expr).is_some_and(|name| {
                self.is_function(&name) || BUILTINS.contains_key(name.as_str())
            }),
        }
    }

    /// True if `name` is a variable that has a value, and not a rule.
    fn is_variable(&self, name: &str) -> bool {
        self.scopes.iter().any(|given| given.contains(name)) && !self.is_named(name)
    }

    /// True if `name` is a document, a rule or an import.
    fn is_named(&self, name: &str) -> bool {
        matches!(name, "input" | "data")
            || self.names.contains(name)
            || self.imports.contains_key(name)
    }

    /// Returns the place of the first index in `expr` that has no value.
    ///
    /// Rego tries such an index with each value of the collection.
    fn searched(&self, expr: &Expr) -> Option<Span> {
        let mut found = None;
        indices(expr, &mut |index: &Expr| {
            let mut names = BTreeSet::new();
            variables(index, &mut names);
            let is_given = |name: &String| {
                name != "_"
                    && (self.is_named(name) || self.scopes.iter().any(|given| given.contains(name)))
            };
            if !names.iter().all(is_given) && found.is_none() {
                found = Some(index.span().clone());
            }
        });
        found
    }

    fn exprs(&mut self, exprs: &[Ref<Expr>]) {
        for expr in exprs {
            self.expr(expr);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expr(term);
                self.query(query);
            }
            Expr::ObjectCompr {
                key, value, query, ..
            } => {
                self.expr(key);
                self.expr(value);
                self.query(query);
            }
            Expr::Call {
                span, fcn, params, ..
            } => {
                self.call(span, fcn, params);
                self.exprs(params);
            }
            Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr),
            _ => {
                let mut inner = Vec::new();
                children(expr, &mut inner);
                for expr in inner {
                    self.expr(expr);
                }
            }
        }
    }

    /// Reads a reference part by part, without recursion, because it may be long.
    fn reference(&mut self, expr: &Expr) {
        let mut rest = expr;
        loop {
            match rest {
                Expr::RefDot { refr, .. } => rest = refr,
                Expr::RefBrack { refr, index, .. } => {
                    self.expr(index);
                    rest = refr;
                }
                _ => return self.expr(rest),
            }
        }
    }

    fn is_walk(&self, function: &Expr) -> bool {
        path(function).as_deref() == Some("walk") && !self.is_function("walk")
    }

    /// True if the policies define a function `name`.
    fn is_function(&self, name: &str) -> bool {
        let in_package = format!("data.{}.{name}", self.package);
        let imported = || {
            let (root, rest) = name.split_at(name.find('.').unwrap_or(name.len()));
            let imported = self.imports.get(root)?;
            Some(self.functions.contains(&format!("{imported}{rest}")))
        };
        self.functions.contains(name)
            || self.functions.contains(&in_package)
            || imported().unwrap_or(false)
    }

    /// Rewrites a call of an added builtin whose extra last argument is its result.
    ///
    /// `regorus` supports that form for its own builtins only, so the call becomes `last = f(others)`.
    /// Returns true if the statement is such a call.
    fn gives_last(&mut self, function: &Expr, arguments: &[Ref<Expr>]) -> bool {
        let Some((last, others)) = arguments.split_last() else {
            return false;
        };
        let is_added = self
            .added(function)
            .and_then(|name| builtins::arity(&name))
            .is_some_and(|arity| usize::from(arity) == others.len());
        let is_plain = matches!(
            last.as_ref(),
            Expr::Var { .. } | Expr::Bool { .. } | Expr::Number { .. } | Expr::String { .. }
        );
        if !is_added || !is_plain {
            return false;
        }
        let (first, last) = (function.span(), last.span());
        let text = first.source.contents();
        let place = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
        let (from, begin, end) = (place(first.start), place(last.start), place(last.end));
        let edit = || {
            let call = text.get(from..begin)?.trim_end().strip_suffix(',')?;
            let rest = text.get(end..)?;
            let close = rest.len() - rest.trim_start().strip_prefix(')')?.len();
            Some(Edit {
                from,
                to: end + close,
                text: format!("{} = {call})", last.text()),
            })
        };
        let Some(edit) = edit() else {
            return false;
        };
        let file = first.source.file().to_owned();
        self.read.edits.entry(file).or_default().push(edit);
        true
    }

    fn call(&mut self, span: &Span, function: &Expr, arguments: &[Ref<Expr>]) {
        let Some(name) = path(function) else {
            return;
        };
        if self.is_function(&name) || name == "print" {
            return;
        }
        if name == "walk" {
            return self.refuse(
                span,
                "`walk` in an expression is undefined here, and gives each path and value in OPA: write the statement `walk(x, [path, value])`",
            );
        }
        let Some(arity) = builtins::arity(&name).map(usize::from) else {
            return self.refuse(
                span,
                format!("there is no function `{name}`: {}", instead(&name)),
            );
        };
        let most = arity + usize::from(BUILTINS.contains_key(name.as_str()));
        if !(arity..=most).contains(&arguments.len()) {
            let count = arguments.len();
            return self.refuse(
                span,
                format!("`{name}` takes {arity} arguments, not {count}: write `x := {name}(…)` for its result"),
            );
        }
        let pattern = match name.as_str() {
            "regex.match"
            | "regex.find_n"
            | "regex.find_all_string_submatch_n"
            | "regex.split"
            | "regex.is_valid" => arguments.first(),
            "regex.replace" => arguments.get(1),
            _ => None,
        };
        if let Some(Expr::String { span, value, .. } | Expr::RawString { span, value, .. }) =
            pattern.map(AsRef::as_ref)
            && let Value::String(pattern) = value
        {
            match Pattern::new(pattern) {
                Err(PatternError::Invalid(_)) if name == "regex.is_valid" => {}
                Err(PatternError::Invalid(message) | PatternError::Unsupported(message)) => {
                    self.refuse(span, message);
                }
                Ok(_) => {
                    self.read.patterns.insert(pattern.to_string());
                }
            }
        }
    }
}

/// Adds the direct subexpressions of `expr`, without those in a query of its own.
fn children<'e>(expr: &'e Expr, inner: &mut Vec<&'e Expr>) {
    match expr {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::Var { .. }
        | Expr::ArrayCompr { .. }
        | Expr::SetCompr { .. }
        | Expr::ObjectCompr { .. } => {}
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            inner.extend(items.iter().map(AsRef::as_ref));
        }
        Expr::Object { fields, .. } => {
            for (_, key, value) in fields {
                inner.extend([key.as_ref(), value.as_ref()]);
            }
        }
        Expr::Call { params, .. } => inner.extend(params.iter().map(AsRef::as_ref)),
        Expr::UnaryExpr { expr, .. } => inner.push(expr),
        Expr::RefDot { refr, .. } => inner.push(refr),
        Expr::RefBrack { refr, index, .. } => inner.extend([refr.as_ref(), index.as_ref()]),
        Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => inner.extend([lhs.as_ref(), rhs.as_ref()]),
        Expr::Membership {
            key,
            value,
            collection,
            ..
        } => {
            inner.extend(key.iter().map(AsRef::as_ref));
            inner.extend([value.as_ref(), collection.as_ref()]);
        }
    }
}

/// Adds the variables of `expr` to `names`, without those in a query of its own.
fn variables(expr: &Expr, names: &mut BTreeSet<String>) {
    let mut rest = vec![expr];
    while let Some(expr) = rest.pop() {
        if let Expr::Var { span, .. } = expr {
            names.insert(span.text().to_owned());
        }
        children(expr, &mut rest);
    }
}

/// Calls `look` with each index of `expr`, without those in a query of its own.
fn indices(expr: &Expr, look: &mut impl FnMut(&Expr)) {
    let mut rest = vec![expr];
    while let Some(expr) = rest.pop() {
        if let Expr::RefBrack { index, .. } = expr {
            look(index);
        }
        children(expr, &mut rest);
    }
}

/// Returns the alternative to an unsupported builtin of OPA.
fn instead(name: &str) -> &'static str {
    let is_of = |family: &str| name.starts_with(family);
    match name {
        "time.now_ns" => "the clock is `input.now`, in milliseconds",
        "http.send" | "net.lookup_ip_addr" => {
            "a policy reaches no network: have the gateway put it in `input.context`, or write it in `data`"
        }
        "rand.intn" | "uuid.rfc4122" => {
            "a policy has no randomness: have the gateway put it in `input.context`"
        }
        "opa.runtime" => "a policy has no environment: write it in `data`",
        "re_match" => "write `regex.match`",
        "any" | "all" => "write `some … in` or `every`",
        "set_diff" => "write `a - b`",
        "net.cidr_overlap" => "write `net.cidr_contains`",
        _ if is_of("cast_") => "write `to_number`, or a comprehension",
        _ if is_of("io.jwt.") => "the host verifies tokens: see `input.principal`",
        _ if is_of("crypto.") => "the host verifies keys and certificates: see `input.principal`",
        _ => "the README of the plugin lists the builtins that there are",
    }
}

#[cfg(test)]
mod tests {
    use crate::Rego;
    use portcullis_sdk::json;
    use portcullis_sdk::testing::Plugin;

    /// Returns the refusals of a policy, to which a package and a rule `allow` are added.
    fn refused(policy: &str) -> Vec<String> {
        let policy = format!("package portcullis\ndefault allow := false\n{policy}");
        match Plugin::<Rego>::try_load(json!({ "policies": { "a.rego": policy } })) {
            Ok(_) => Vec::new(),
            Err(errors) => errors
                .into_iter()
                .map(|error| {
                    assert_eq!(error.path, "/policies/a.rego", "{}", error.message);
                    error.message
                })
                .collect(),
        }
    }

    #[test]
    fn a_walk_that_would_find_nothing_is_refused_wherever_it_is() {
        for policy in [
            r#"denials contains "x" if { [_, v] := walk(input.action.arguments); v == "secret" }"#,
            r#"denials contains "x" if { [_, v] = walk(input.action.arguments); v == "secret" }"#,
            r#"denials contains "x" if { [_, "secret"] = walk(input.action.arguments) }"#,
            r#"denials contains "x" if walk(input.action.arguments)[1] == "secret""#,
            r#"denials contains "x" if { some pair in walk(input.action.arguments); pair[1] == "x" }"#,
            r#"found := [v | [_, v] := walk(input.action.arguments)]"#,
            r#"found := {v: p | [p, v] := walk(input.action.arguments)}"#,
            r#"allow if every pair in walk(input.action.arguments) { pair[1] != "secret" }"#,
            r#"allow if not walk(input.action.arguments) == [["a"], "x"]"#,
            r#"found(x) := v if { [_, v] := walk(x) }"#,
            r#"allow if count(walk(input.action.arguments)) > 1"#,
            r#"found := true if { x := walk(input.action.arguments, [_, "a"]) }"#,
            r#"allow if { x := 1 } else if { [_, v] := walk(input); v == 2 }"#,
            r#"names(x) := object.keys(x)
               allow if names(input) with names as walk"#,
            r#"names(x) := object.keys(x)
               allow if walk(input, [_, 1]) with walk as names"#,
        ] {
            let messages = refused(policy);
            assert_eq!(messages.len(), 1, "{policy}: {messages:?}");
            assert!(messages[0].contains("`walk`"), "{policy}: {messages:?}");
        }
    }

    #[test]
    fn a_search_under_not_is_refused() {
        for policy in [
            r#"allow if not input.action.arguments.groups[_] == "banned""#,
            r#"allow if not input.context[_].banned"#,
            r#"allow if not startswith(input.action.arguments.paths[_], "/etc")"#,
            r#"allow if not "banned" in input.context.groups[_]"#,
            r#"allow if not input.context.groups[i] == "banned""#,
            r#"allow if { some i; not input.context.groups[i] == "banned" }"#,
            r#"allow if not {"a": input.context.groups[_]} == {"a": "b"}"#,
            r#"allow if { x := [1 | not input.context.groups[_] == "a"]; count(x) > 0 }"#,
            r#"allow if every x in input.context.names { not input.context.groups[_] == x }"#,
            r#"allow if false else if not input.context.groups[_] == "a""#,
            r#"is_free(x) if not x[_] == "banned""#,
            r#"allow if not input.context[["a", _]] == "a""#,
            r#"allow if not count(input.context.groups[_].members) > 1"#,
            r#"allow if { is_listed with input as data.requests[_] }
               is_listed if input.a"#,
        ] {
            let messages = refused(policy);
            assert_eq!(messages.len(), 1, "{policy}: {messages:?}");
            assert!(
                messages[0].starts_with("a.rego:3:"),
                "{policy}: {messages:?}"
            );
        }
    }

    #[test]
    fn a_part_of_a_path_is_computed_in_all_rules_or_in_none() {
        for policy in [
            "denials[kind] contains 1 if some kind in input.kinds\ndenials.hard contains 2",
            "denials.hard contains 2\ndenials[kind] contains 1 if some kind in input.kinds",
            "found[name].at := 1 if some name in input.names\nfound.a.by := 2",
            "found[name] := 1 if some name in input.names\ndefault found.a := 2",
            "found[name] := 1 if some name in input.names\nfound[\"a\"] := 2",
        ] {
            let messages = refused(policy);
            assert_eq!(messages.len(), 1, "{policy}: {messages:?}");
            assert!(messages[0].contains("computes"), "{policy}: {messages:?}");
        }
    }

    #[test]
    fn a_value_of_with_that_may_be_lost_is_refused() {
        for with in ["data.nope", "input.b", "f(1)", "[input.b]"] {
            let policy = format!(
                "f(x) := x\nq if not input.a\nallow if q with input.a as {with} with input.c as 1"
            );
            let messages = refused(&policy);
            assert_eq!(messages.len(), 1, "{with}: {messages:?}");
            assert!(messages[0].contains("`value := …`"), "{with}: {messages:?}");
        }
        let policy = "q if not input.a\nallow if { v := input.b; q with input.a as v with input.c as data.d }\nb if { q with input.a as [1] with input.c as 1 }";
        assert_eq!(refused(policy), [""; 0]);
    }

    #[test]
    fn what_regorus_reads_of_its_own_builtins_only_is_written_otherwise() {
        let policy = r#"
            package portcullis
            allow if {
                glob.match("git.*", ["/"],
                    input.action.name, matches)
                matches == true
                net.cidr_contains("10.0.0.0/8", "10.0.0.1", true); net.cidr_intersects( "10.0.0.0/8", "11.0.0.0/8", false )
            }
        "#;
        let plugin = Plugin::<Rego>::load(json!({ "policies": policy }));
        let verdict = plugin.evaluate(portcullis_sdk::testing::request("git.push"));
        assert_eq!(
            verdict.effect(),
            portcullis_sdk::Effect::Permit,
            "{verdict:?}"
        );
        let messages = refused("allow if not glob.match(`a`, [], `a`, true)");
        assert!(messages[0].contains("takes 3 arguments"), "{messages:?}");
        assert!(refused("allow if count()")[0].contains("takes 1 arguments"));
    }

    #[test]
    fn with_replaces_only_what_regorus_can_replace() {
        for with in ["glob.match as f", "f as glob.match"] {
            let messages = refused(&format!(
                "f(_, _, _) := true\nallow if f(1, 2, 3) with {with}"
            ));
            assert_eq!(messages.len(), 1, "{with}: {messages:?}");
            assert!(messages[0].contains("`glob.match`"), "{with}: {messages:?}");
        }
    }

    #[test]
    fn a_function_that_is_not_there_is_refused_by_name_with_what_to_write() {
        for (call, instead) in [
            ("time.now_ns() > 0", "`input.now`"),
            (
                r#"http.send({"method": "get", "url": "http://x"})"#,
                "no network",
            ),
            (r#"rand.intn("x", 2) >= 0"#, "no randomness"),
            ("opa.runtime()", "`data`"),
            (r#"re_match("a", "b")"#, "`regex.match`"),
            (r#"io.jwt.decode(input.context.token)"#, "the host verifies"),
            ("not yaml.is_valid(input.context.text)", "README"),
            (
                "count([x | x := glob.mach(input.a, [], input.b)]) == 0",
                "README",
            ),
            ("is_allowed(input)", "README"),
            ("data.lib.teams.of(input)", "README"),
            ("every x in input.xs { lib.f(x) }", "README"),
        ] {
            let messages = refused(&format!("allow if {{ {call} }}"));
            assert_eq!(messages.len(), 1, "{call}: {messages:?}");
            assert!(messages[0].starts_with("a.rego:3:"), "{call}: {messages:?}");
            assert!(messages[0].contains(instead), "{call}: {messages:?}");
        }
    }

    #[test]
    fn a_pattern_that_re2_would_not_take_is_refused_where_it_stands() {
        for policy in [
            "allow if regex.match(`a**`, input.action.name)",
            r#"allow if regex.match("(?=a)", input.action.name)"#,
            r"allow if regex.replace(input.action.name, `\p{Greek}`, ``) == `a`",
            r"allow if regex.is_valid(`\p{Greek}`)",
            "allow if count(regex.split(`[z-a]`, input.action.name)) > 1",
        ] {
            let messages = refused(policy);
            assert_eq!(messages.len(), 1, "{policy}: {messages:?}");
            assert!(
                messages[0].starts_with("a.rego:3:"),
                "{policy}: {messages:?}"
            );
            assert!(messages[0].contains("pattern"), "{policy}: {messages:?}");
        }
    }

    #[test]
    fn what_is_there_is_called() {
        for policy in [
            r#"denials contains "x" if { walk(input.action.arguments, [_, v]); v == "secret" }"#,
            r#"found := [v | walk(input.action.arguments, [_, v])]"#,
            r#"denials contains "x" if { some x; walk(input.action.arguments, [["a", x], _]) }"#,
            "f(x) := x + 1\nallow if f(1) == 2",
            "default f(_) := 1\nallow if f(1) == 1",
            "f(x) := x + 1\nallow if data.portcullis.f(1) == 2",
            "lib.f(x) := x + 1\nallow if lib.f(1) == 2",
            r#"allow if { print("x"); regex.match(`^\w+$`, input.action.name) }"#,
            r#"allow if regex.is_valid("(")"#,
            r#"allow if glob.match("a.*", [], input.action.name)"#,
            r#"allow if count(input.action.arguments, 1)"#,
            r#"allow if { some i; input.xs[i] == 1; not input.ys[i] == 2 }"#,
            r#"allow if { input.xs[i]; not input.ys[i] == 2 }"#,
            r#"allow if every i, x in input.xs { not input.ys[i] == x }"#,
            r#"f(i) if not input.xs[i] == 1"#,
            r#"k := 1
               allow if not input.xs[k] == 1"#,
            r#"allow if not input.xs["k"] == 1"#,
            r#"allow if not count([x | x := input.xs[_]]) > 1"#,
            r#"allow if { some x in input.xs; not x in {"a", "b"} }"#,
            r#"found[x] := 1 if some x in input.xs
               other.a := 2"#,
            r#"found[x] contains 1 if some x in input.xs
               found[y] contains 2 if some y in input.ys"#,
            r#"found.a contains 1
               found.b contains 2"#,
        ] {
            assert_eq!(refused(policy), [""; 0], "{policy}");
        }
        let files = json!({ "policies": {
            "lib.rego": "package lib.teams\nof(x) := x",
            "allow.rego": "package portcullis\nimport data.lib.teams\nimport data.lib.teams as t\nallow if teams.of(1) == t.of(1)",
        } });
        assert!(Plugin::<Rego>::try_load(files).is_ok());
    }
}
