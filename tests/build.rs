//! Lists the hostile guests into an enum.
//!
//! The expectations match on that enum, so that a guest without an expectation does not compile. A guest is
//! one of:
//!
//! - a file `guests/wat/<group>/<attack>.wat`, which begins with a comment
//! - a function `pub(crate) fn <attack>() -> Made` in `tests/hostile/generated/<group>.rs`
//! - a behaviour of the guest in `guests/hostile`, whose group is `sdk`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A guest, and the expression that makes it.
struct Guest {
    group: String,
    attack: String,
    made: String,
}

fn main() {
    let folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("Cargo sets it"));
    let sources = [
        folder.join("guests/wat"),
        folder.join("tests/hostile/generated"),
        folder.join("guests/hostile/src/lib.rs"),
    ];
    for source in &sources {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    let [texts, generated, behaviours] = sources;
    let mut guests = of_texts(&texts);
    guests.extend(of_functions(&generated));
    guests.extend(of_behaviours(&behaviours));
    guests.sort_by_key(Guest::name);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets it"));
    fs::write(out.join("guests.rs"), code(&guests)).expect("Cargo's folder is writable");
}

impl Guest {
    /// Its name, such as `loops::start-function`.
    fn name(&self) -> String {
        format!("{}::{}", self.group, self.attack)
    }

    /// Its variant, such as `LoopsStartFunction`.
    fn variant(&self) -> String {
        camel(&format!("{}-{}", self.group, self.attack))
    }
}

fn of_texts(folder: &Path) -> Vec<Guest> {
    let mut guests = Vec::new();
    for group in entries(folder) {
        for file in entries(&group) {
            let text = fs::read_to_string(&file).expect("a guest is text");
            assert!(
                text.starts_with(";; "),
                "{} has no comment that states the attack and its limit",
                file.display()
            );
            guests.push(Guest {
                group: stem(&group),
                attack: stem(&file),
                made: format!("Made::Fields(include_str!({file:?}).to_owned())"),
            });
        }
    }
    guests
}

fn of_functions(folder: &Path) -> Vec<Guest> {
    let mut guests = Vec::new();
    for file in entries(folder) {
        let group = stem(&file);
        let text = fs::read_to_string(&file).expect("a module is text");
        for line in text.lines() {
            let function = line
                .strip_prefix("pub(crate) fn ")
                .and_then(|rest| rest.strip_suffix("() -> Made {"));
            if let Some(function) = function {
                guests.push(Guest {
                    group: group.clone(),
                    attack: function.replace('_', "-"),
                    made: format!("generated::{group}::{function}()"),
                });
            }
        }
    }
    guests.retain(|guest| guest.group != "mod");
    guests
}

fn of_behaviours(file: &Path) -> Vec<Guest> {
    let text = fs::read_to_string(file).expect("the hostile guest");
    let (_, rest) = text.split_once("enum Behaviour {").expect("its behaviours");
    let (variants, _) = rest.split_once("\n}").expect("their end");
    variants
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','))
        .filter(|variant| variant.chars().all(char::is_alphanumeric))
        .map(|variant| {
            let attack = kebab(variant);
            Guest {
                group: "sdk".to_owned(),
                made: format!("Made::Sdk({attack:?})"),
                attack,
            }
        })
        .collect()
}

fn code(guests: &[Guest]) -> String {
    let mut code = String::from(
        "/// A hostile guest.\n#[derive(Debug, Clone, Copy, PartialEq, Eq)]\npub(crate) enum Guest {\n",
    );
    let mut line = |text: std::fmt::Arguments<'_>| {
        writeln!(code, "{text}").expect("a string takes all text");
    };
    for guest in guests {
        line(format_args!("    {},", guest.variant()));
    }
    line(format_args!("}}\n\nimpl Guest {{"));
    line(format_args!("    /// All guests, by name."));
    line(format_args!(
        "    pub(crate) const ALL: [Self; {}] = [",
        guests.len()
    ));
    for guest in guests {
        line(format_args!("        Self::{},", guest.variant()));
    }
    line(format_args!("    ];\n"));
    line(format_args!("    /// Its group and its attack."));
    line(format_args!(
        "    pub(crate) const fn name(self) -> &'static str {{\n        match self {{"
    ));
    for guest in guests {
        let (variant, name) = (guest.variant(), guest.name());
        line(format_args!("            Self::{variant} => {name:?},"));
    }
    line(format_args!("        }}\n    }}\n"));
    line(format_args!("    /// Makes it."));
    line(format_args!(
        "    pub(crate) fn made(self) -> Made {{\n        match self {{"
    ));
    for guest in guests {
        let (variant, made) = (guest.variant(), &guest.made);
        line(format_args!("            Self::{variant} => {made},"));
    }
    line(format_args!("        }}\n    }}\n}}"));
    code
}

/// The files of a folder, sorted.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of guests");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    let stem = path.file_stem().expect("it has a name");
    stem.to_string_lossy().into_owned()
}

fn camel(kebab: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    kebab.split('-').map(word).collect()
}

fn kebab(camel: &str) -> String {
    let mut kebab = String::new();
    for letter in camel.chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}
