//! Path templates such as `/repos/{owner}/{repo}/issues`.

use portcullis_sdk::Pattern;
use serde::Deserialize;

/// A path template.
///
/// Its segments are text, `{name}` for exactly one segment, or, at the end, `{name...}` for one or more.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Template(Vec<Segment>);

#[derive(Debug)]
enum Segment {
    Text(Pattern),
    One(String),
    Rest(String),
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let Some(path) = text.strip_prefix('/') else {
            return Err(format!("`{text}` is no path template: it begins with `/`"));
        };
        if path.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let segments = path
            .split('/')
            .map(|segment| Segment::parse(segment, &text))
            .collect::<Result<Vec<_>, _>>()?;
        let ends_early = segments
            .iter()
            .rev()
            .skip(1)
            .any(|segment| matches!(segment, Segment::Rest(_)));
        if ends_early {
            return Err(format!(
                "in `{text}`, only the last segment can be `{{name...}}`"
            ));
        }
        Ok(Self(segments))
    }
}

impl Segment {
    fn parse(segment: &str, whole: &str) -> Result<Self, String> {
        if let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            let (name, rest) = match name.strip_suffix("...") {
                Some(name) => (name, true),
                None => (name, false),
            };
            if !is_parameter(name) {
                return Err(format!(
                    "in `{whole}`, `{segment}` is no parameter: write `{{name}}` for one segment, or `{{name...}}` at the end for one or more; a name begins with a letter or `_` and has letters, digits, `_` and `-`"
                ));
            }
            return Ok(match rest {
                true => Self::Rest(name.to_owned()),
                false => Self::One(name.to_owned()),
            });
        }
        if let Some((syntax, instead)) = foreign(segment) {
            return Err(format!(
                "in `{whole}`, {syntax} has no meaning: write {instead}"
            ));
        }
        Pattern::literal(segment)
            .map(Self::Text)
            .map_err(|why| format!("in `{whole}`, segment `{segment}` is in no path: {why}"))
    }
}

fn is_parameter(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Returns the part of a segment in another template syntax, and its replacement here.
fn foreign(segment: &str) -> Option<(&'static str, &'static str)> {
    const ONE: &str = "`{name}` as a whole segment";
    if segment.contains('*') {
        return Some((
            "`*`",
            "`{name}` for one segment, or `{name...}` at the end for all that follow",
        ));
    }
    if segment.contains(['{', '}', '<', '>']) || segment.starts_with(':') {
        return Some(("a variable of another form", ONE));
    }
    if segment.contains(['^', '$', '|', '[', ']', '(', ')', '~']) || segment.ends_with('+') {
        return Some(("a regular expression", ONE));
    }
    None
}

impl Template {
    /// Returns the names of the template's parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Text(_) => None,
            Segment::One(name) | Segment::Rest(name) => Some(name.as_str()),
        })
    }

    /// True if `name` is a parameter for exactly one segment.
    pub(crate) fn has_one(&self, name: &str) -> bool {
        let mut segments = self.0.iter();
        segments.any(|segment| matches!(segment, Segment::One(one) if one == name))
    }

    /// True if a literal segment of the template contains `:`.
    pub(crate) fn has_colon(&self) -> bool {
        let mut segments = self.0.iter();
        segments
            .any(|segment| matches!(segment, Segment::Text(text) if text.as_str().contains(':')))
    }

    /// Returns the parameters' values in `path`, or `None` if the path does not match.
    pub(crate) fn matches(&self, path: &[String]) -> Option<Vec<(&str, String)>> {
        self.bound(path, |text, segment| text.as_str() == segment)
    }

    /// As [`Template::matches`], but compares segments with [`Pattern::might_match`].
    ///
    /// Denying rules use it, because the API may read one segment as another.
    pub(crate) fn might_match(&self, path: &[String]) -> Option<Vec<(&str, String)>> {
        self.bound(path, Pattern::might_match)
    }

    fn bound(
        &self,
        path: &[String],
        same: impl Fn(&Pattern, &str) -> bool,
    ) -> Option<Vec<(&str, String)>> {
        let mut bound = Vec::new();
        let mut rest = path;
        for segment in &self.0 {
            let (first, after) = rest.split_first()?;
            match segment {
                Segment::Text(text) if same(text, first) => {}
                Segment::Text(_) => return None,
                Segment::One(name) => bound.push((name.as_str(), first.clone())),
                Segment::Rest(name) => {
                    bound.push((name.as_str(), rest.join("/")));
                    return Some(bound);
                }
            }
            rest = after;
        }
        rest.is_empty().then_some(bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(template: &str, path: &str) -> Option<String> {
        let template = Template::try_from(template.to_owned()).unwrap();
        let path: Vec<_> = path.split('/').map(str::to_owned).collect();
        let bound = template.matches(&path)?;
        let bound: Vec<_> = bound
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Some(bound.join(" "))
    }

    #[test]
    fn binds_parameters() {
        assert_eq!(
            bound("/repos/{o}/{r}", "repos/a/b").as_deref(),
            Some("o=a r=b")
        );
        assert_eq!(
            bound("/files/{rest...}", "files/a/b").as_deref(),
            Some("rest=a/b")
        );
        assert_eq!(bound("/files/{rest...}", "files"), None);
        assert_eq!(bound("/repos/{o}", "repos/a/b"), None);
        assert_eq!(bound("/repos/{o}/x", "repos/a/y"), None);
    }

    #[test]
    fn refuses_what_is_no_template() {
        for text in [
            "repos",
            "/a//b",
            "/a/../b",
            "/a{b}",
            "/{a...}/b",
            "/a%20b",
            "/a;b",
        ] {
            assert!(Template::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_parameter_has_a_plain_name() {
        for parameter in [
            "{...rest}",
            "{+rest}",
            "{rest+}",
            "{rest?}",
            "{ rest... }",
            "{rest\u{2026}}",
            "{rest..}",
            "{#rest}",
            "{?q}",
            "{[a-z]}",
            "{$}",
            "{rest|x}",
            "{{rest}}",
            "{7}",
            "{}",
            "{...}",
        ] {
            let text = format!("/admin/{parameter}");
            assert!(Template::try_from(text).is_err(), "{parameter}");
        }
        for parameter in ["{rest...}", "{id}", "{_id}", "{customer-id}", "{v2}"] {
            let text = format!("/admin/{parameter}");
            assert!(Template::try_from(text).is_ok(), "{parameter}");
        }
    }
}
