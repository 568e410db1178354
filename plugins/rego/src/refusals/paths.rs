//! Names and paths of the rules, functions and imports of a module.

use regorus::Value;
use regorus::unstable::{Expr, Module, Rule, RuleHead};
use std::collections::BTreeMap;

/// Returns the names of a module's functions, with `data.` and its package.
pub(super) fn functions(module: &Module) -> Vec<String> {
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
pub(super) fn names(module: &Module) -> Vec<String> {
    let rules = module.policy.iter();
    rules.filter_map(|rule| root(head(rule))).collect()
}

pub(super) fn head(rule: &Rule) -> &Expr {
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
pub(super) fn imports(module: &Module) -> BTreeMap<String, String> {
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
pub(super) fn path(expr: &Expr) -> Option<String> {
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
pub(super) fn parts(package: &Expr, head: &Expr) -> Vec<Option<String>> {
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
