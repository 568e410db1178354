//! Reads the expressions of a rule, and refuses those that `regorus` evaluates differently.

use super::paths::path;
use super::{Edit, Read};
use crate::builtins;
use crate::builtins::re2::{Pattern, PatternError};
use portcullis_sdk::SettingsError;
use regorus::Value;
use regorus::unstable::{
    BUILTINS, Expr, Literal, LiteralStmt, Query, Ref, Rule, RuleBody, RuleHead, Span,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Reader<'r, F> {
    pub(super) functions: &'r BTreeSet<String>,
    pub(super) names: BTreeSet<String>,
    pub(super) package: String,
    pub(super) imports: BTreeMap<String, String>,
    /// Variables with a value, one set per query, the innermost last.
    pub(super) scopes: Vec<BTreeSet<String>>,
    pub(super) place: &'r F,
    pub(super) read: &'r mut Read,
}

impl<F: Fn(&str) -> String> Reader<'_, F> {
    fn refuse(&mut self, span: &Span, why: impl AsRef<str>) {
        let file = span.source.file();
        let message = format!("{file}:{}:{}: {}", span.line, span.col, why.as_ref());
        let place = (self.place)(file);
        self.read.errors.push(SettingsError::new(place, message));
    }

    pub(super) fn rule(&mut self, rule: &Rule) {
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
