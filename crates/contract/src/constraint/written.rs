//! Constraints as people write them: mistakes that are refused, and warnings.

use super::Constraint;
use super::operator::Operator;
use crate::{name, origin};
use serde_json::Value;

impl Constraint {
    /// Returns the defect of a pointless constraint and the text to write instead.
    ///
    /// A constraint is pointless if every argument meets it or none does.
    pub(super) fn pointless(&self) -> Option<(&'static str, &'static str)> {
        const NONE: &str = "is met by no argument";
        let empty_list = self.operand.as_array().is_some_and(Vec::is_empty);
        let text = self.operand.as_str();
        if let Some(found) = self.alternatives.iter().find_map(Self::pointless) {
            return Some(found);
        }
        match self.operator {
            Operator::AnyOf | Operator::OnDay | Operator::OneOf | Operator::OriginIs
                if empty_list =>
            {
                Some((NONE, "list the allowed values"))
            }
            Operator::SubsetOf if empty_list => Some((
                NONE,
                "list the allowed items, or write `equals` with `[]` for the empty list",
            )),
            Operator::OriginIs | Operator::PartsOriginIs if self.lists_a_pattern() => Some((
                "lists a pattern, and a tool is compared as text",
                "write each tool by its name, as in `tool:search`, or `tool:*` for any tool",
            )),
            Operator::OriginIs | Operator::PartsOriginIs if !self.lists_origins() => Some((
                "lists a value that is not an origin",
                "write `user`, `unknown`, `tool:<name>`, or a place in a result, as in `tool:<name>#/0/id`",
            )),
            Operator::Prefix if text == Some("") => Some((
                "is met by every text",
                "write the required prefix, or leave it out",
            )),
            Operator::Under if text == Some("") => Some((
                "is met by every absolute path",
                "write the folder or the URL that it lies under, or `/` for every absolute path",
            )),
            Operator::MinLength if self.operand.as_u64() == Some(0) => Some((
                "is met by every text and every list",
                "write 1 or more, or leave it out",
            )),
            Operator::Prefix | Operator::Under if text.is_some_and(is_in_pattern_syntax) => Some((
                "has the syntax of a pattern, and is compared as text",
                "write the text that it begins with, such as `/workspace`, without `*`, `^` or `$`",
            )),
            _ => None,
        }
    }

    fn lists_origins(&self) -> bool {
        let mut origins = self.operand.as_array().into_iter().flatten();
        origins.all(|origin| origin.as_str().is_some_and(origin::is_origin))
    }

    fn lists_a_pattern(&self) -> bool {
        let mut origins = self.operand.as_array().into_iter().flatten();
        let tool = |origin: &Value| {
            let tool = origin
                .as_str()
                .and_then(|origin| origin.split(['#', '~']).next());
            tool.is_some_and(|tool| tool != origin::ANY_TOOL && tool.contains('*'))
        };
        origins.any(tool)
    }

    /// Returns a warning if a valid constraint probably means something else.
    pub fn warning(&self) -> Option<String> {
        let doubt = || {
            let alternatives = self.alternatives.iter();
            self.doubt()
                .or_else(|| alternatives.filter_map(Self::doubt).next())
        };
        let why = path_in_another_syntax(&self.path).or_else(doubt)?;
        Some(format!("`{}`: {why}", crate::excerpt(&self.to_string())))
    }

    /// Returns another meaning that the author of the operand may have intended.
    fn doubt(&self) -> Option<&'static str> {
        let listed = match self.operator {
            Operator::Equals => std::slice::from_ref(&self.operand),
            Operator::OneOf | Operator::SubsetOf => {
                self.operand.as_array().map_or(&[][..], Vec::as_slice)
            }
            _ => &[],
        };
        let mut texts = listed.iter().filter_map(Value::as_str);
        let text = self.operand.as_str();
        match self.operator {
            Operator::Under if text == Some("/") => {
                Some("every absolute path lies under `/`: write the intended folder")
            }
            Operator::Under if text.is_some_and(is_scheme_alone) => Some(
                "every URL of that scheme lies under it, whatever its host: write the host too, as in `https://api.example`",
            ),
            Operator::Under if text.is_some_and(|text| text.starts_with('~')) => {
                Some("`~` is literal, not a home folder: write the path as arguments have it")
            }
            Operator::Under if text.is_some_and(is_in_template_syntax) => Some(
                "it has the syntax of a pattern or a template, and is compared as text: write a constraint for each folder, or the folder above",
            ),
            Operator::Prefix if text.is_some_and(is_in_regex_syntax) => Some(
                "it has the syntax of a regular expression, and is compared as text: write the prefix of the argument, or list the values with `one-of`",
            ),
            Operator::Prefix if text.is_some_and(|text| text.contains('/')) => Some(
                "`prefix` compares text, which `/workspace-2` and `/workspace/../etc` pass for `/workspace`: write `under` for paths and URLs",
            ),
            _ if texts.any(is_in_pattern_syntax) => Some(
                "it has the syntax of a pattern, and is compared as text: `*`, `^` and `$` stand for themselves",
            ),
            _ => None,
        }
    }
}

/// True if the text has syntax of a pattern or regular expression.
fn is_in_pattern_syntax(text: &str) -> bool {
    text.contains('*') || text.starts_with('^') || text.ends_with('$')
}

/// True if the text contains a list, a character class or a variable.
fn is_in_template_syntax(text: &str) -> bool {
    text.contains(['[', '{', '<']) || text.contains("/:")
}

/// True if the text has syntax of a regular expression.
///
/// The syntax is a group, an alternative or a character class.
fn is_in_regex_syntax(text: &str) -> bool {
    let has_class = text.contains('[') && text.contains(']') && text.contains('-');
    has_class || text.contains('|') || text.contains("(?") || text.contains(".+")
}

/// True if the text is the scheme of a URL without a host.
fn is_scheme_alone(text: &str) -> bool {
    text.trim_end_matches('/')
        .strip_suffix(':')
        .is_some_and(name::is_scheme)
}

/// Returns a warning if a JSON Pointer looks like another syntax.
fn path_in_another_syntax(path: &str) -> Option<&'static str> {
    if path.starts_with("/action/arguments") {
        return Some(
            "a path begins within the arguments: write `/to`, not `/action/arguments/to`, unless an argument is called `action`",
        );
    }
    let mut names = path.split('/').skip(1);
    names.find_map(|name| {
        let has_leading_zero = name.len() > 1
            && name.starts_with('0')
            && name.bytes().all(|byte| byte.is_ascii_digit());
        match name {
            _ if name.contains('*') => Some(
                "`*` in a path is part of a name, not a wildcard: write a constraint for the list that holds the items, or one for each item",
            ),
            "-" => Some("`-` in a path is a name, not an item of a list: write its number, from 0"),
            _ if has_leading_zero => {
                Some("the number of an item of a list has no zeros before it: write `/0`, `/1`")
            }
            _ if name.contains(['[', ']']) => Some(
                "`[` and `]` in a path are part of a name: write the item of a list as in `/labels/0`",
            ),
            _ if name.contains('.') => Some(
                "a `.` in a path is part of a name: write `/options/root` for what `options` holds",
            ),
            _ => None,
        }
    })
}
