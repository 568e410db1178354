//! Inspects a plugin file without running it.

use crate::bounds;
use crate::load_error::{LoadError, malformed};
use crate::proposals;
use portcullis_contract::{CONTRACT_VERSION, MANIFEST_SECTION, Manifest, excerpt};
use portcullis_model::digest::Digest;
use portcullis_model::limits::PluginLimits;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use wasmparser::{Encoding, Parser, Payload};

/// Name of the interface that a plugin exports, without its version.
pub(crate) const POLICY_INTERFACE: &str = "portcullis:policy/policy";
/// Name of the interface that a plugin exports instead for packed requests.
pub(crate) const PACKED_INTERFACE: &str = "portcullis:policy/packed-policy";
/// Name of the interface with the types, which a plugin also exports.
const TYPES_INTERFACE: &str = "portcullis:policy/types";

/// Description of a plugin file, found by reading it. See [`inspect`].
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// Digest of the file.
    pub digest: Digest,
    /// Size of the file in bytes.
    pub bytes: usize,
    /// The plugin's manifest, if it is a component with a readable manifest.
    pub manifest: Option<Manifest>,
    /// Imports of the component, in order.
    pub imports: Vec<String>,
    /// Exports of the component, in order.
    pub exports: Vec<String>,
    /// Reasons why a host would refuse to load it, most serious first.
    ///
    /// Empty if reading finds none. Only loading shows that it compiles and accepts its settings.
    #[serde(serialize_with = "texts")]
    pub refusals: Vec<LoadError>,
}

impl Inspection {
    /// Of a file of which nothing was read yet.
    fn of(digest: Digest, bytes: &[u8]) -> Self {
        Self {
            digest,
            bytes: bytes.len(),
            manifest: None,
            imports: Vec::new(),
            exports: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// False if the file was refused before its imports and exports were read.
    pub fn is_read(&self) -> bool {
        !matches!(
            self.refusals.first(),
            Some(
                LoadError::TooLarge { .. }
                    | LoadError::NotWasm(_)
                    | LoadError::CoreModule
                    | LoadError::Malformed { .. }
                    | LoadError::TooMany { .. }
                    | LoadError::BeginsBeyond { .. }
            )
        )
    }
}

fn texts<S: serde::Serializer>(errors: &[LoadError], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(errors.iter().map(ToString::to_string))
}

/// Reads the plugin in `file`, up to one byte more than its limit.
///
/// So a file over the limit is refused without being read to its end.
///
/// # Errors
///
/// Errors of the operating system.
pub fn read_component(file: &Path, limits: &PluginLimits) -> io::Result<Vec<u8>> {
    let most = limits.component_bytes.saturating_add(1);
    let mut bytes = Vec::new();
    File::open(file)?
        .take(most as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Inspects a plugin file without running any of it.
pub fn inspect(bytes: &[u8], limits: &PluginLimits) -> Inspection {
    inspect_of(Digest::of(bytes), bytes, limits)
}

/// As [`inspect`], for bytes whose digest is known.
pub(crate) fn inspect_of(digest: Digest, bytes: &[u8], limits: &PluginLimits) -> Inspection {
    let mut inspection = look(digest, bytes, limits);
    if !inspection.is_read() {
        return inspection;
    }
    match proposals::validate(bytes) {
        Ok(()) => {}
        Err(uses @ LoadError::Proposals(_)) => inspection.refusals.insert(0, uses),
        Err(error) => {
            inspection.manifest = None;
            inspection.refusals = vec![error];
        }
    }
    inspection
}

/// As [`inspect_of`], for a file that is known to be valid.
pub(crate) fn look(digest: Digest, bytes: &[u8], limits: &PluginLimits) -> Inspection {
    let mut inspection = Inspection::of(digest, bytes);
    if bytes.len() > limits.component_bytes {
        inspection.refusals.push(LoadError::TooLarge {
            bytes: bytes.len(),
            limit: limits.component_bytes,
        });
        return inspection;
    }
    if let Err(error) = is_component(bytes).and_then(|()| bounds::check(bytes, limits)) {
        inspection.refusals.push(error);
        return inspection;
    }
    read_into(bytes, &mut inspection);
    inspection
}

/// As [`look`], for a file whose code this version compiled with the same limits: its counts are within them.
pub(crate) fn look_again(digest: Digest, bytes: &[u8]) -> Inspection {
    let mut inspection = Inspection::of(digest, bytes);
    read_into(bytes, &mut inspection);
    inspection
}

fn read_into(bytes: &[u8], inspection: &mut Inspection) {
    match read(bytes, inspection) {
        Ok(manifest) => {
            judge_interfaces(inspection);
            match manifest {
                None => inspection.refusals.push(LoadError::NoManifest),
                Some(Err(error)) => inspection.refusals.push(error),
                Some(Ok(manifest)) => inspection.manifest = Some(manifest),
            }
        }
        Err(error) => inspection.refusals.push(error),
    }
}

/// Refuses a file that is no component, by its first bytes.
fn is_component(bytes: &[u8]) -> Result<(), LoadError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(LoadError::NotWasm(describe(bytes).into()));
    }
    match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version {
            encoding: Encoding::Module,
            ..
        })) => Err(LoadError::CoreModule),
        Some(Err(error)) => Err(malformed(&error)),
        _ => Ok(()),
    }
}

type FoundManifest = Option<Result<Manifest, LoadError>>;

/// Collects imports, exports and manifest of a component's top level.
fn read(bytes: &[u8], inspection: &mut Inspection) -> Result<FoundManifest, LoadError> {
    let malformed = |error: wasmparser::BinaryReaderError| malformed(&error);
    let mut manifest: FoundManifest = None;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import.map_err(malformed)?;
                    inspection.imports.push(import.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export.map_err(malformed)?;
                    inspection.exports.push(export.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                manifest = Some(match (manifest, std::str::from_utf8(section.data())) {
                    (Some(_), _) => Err(LoadError::ManyManifests),
                    (None, Ok(text)) => Manifest::parse(text).map_err(LoadError::Manifest),
                    (None, Err(error)) => Err(LoadError::ManifestText(error.to_string())),
                });
            }
            _ => {}
        }
    }
    Ok(manifest)
}

fn judge_interfaces(inspection: &mut Inspection) {
    if !inspection.imports.is_empty() {
        let imports = inspection.imports.clone();
        inspection.refusals.push(LoadError::Imports(imports));
    }
    let exported = |export: &String| {
        export
            .split_once('@')
            .map_or(export.as_str(), |(name, _)| name)
            == PACKED_INTERFACE
    };
    let policy = match inspection.exports.iter().any(exported) {
        true => PACKED_INTERFACE,
        false => POLICY_INTERFACE,
    };
    for interface in [policy, TYPES_INTERFACE] {
        let wanted = format!("{interface}@{CONTRACT_VERSION}");
        if inspection.exports.contains(&wanted) {
            continue;
        }
        let other = inspection.exports.iter().find_map(|export| {
            let (name, version) = export.split_once('@').unwrap_or((export, ""));
            (name == interface).then(|| excerpt(version))
        });
        let exports = inspection.exports.clone();
        inspection.refusals.push(match other {
            Some(version) => LoadError::OtherContract(version),
            None => LoadError::OtherWorld {
                missing: wanted,
                exports,
            },
        });
        break;
    }
}

/// Guesses the type of a file that is not WebAssembly.
fn describe(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "an empty file",
        [0x7f, b'E', b'L', b'F', ..] => "a native program",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive",
        [0x1f, 0x8b, ..] => "a gzip archive",
        _ => match std::str::from_utf8(bytes) {
            Ok(text) if text.trim_start().starts_with("(component") => {
                "a component in text form; translate it with `wasm-tools parse`"
            }
            Ok(text) if text.trim_start().starts_with("(module") => "a core module in text form",
            Ok(_) => "a text file",
            Err(_) => "some other binary file",
        },
    }
}
