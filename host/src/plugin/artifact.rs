//! What a plugin file is, without running it.

use super::{LoadError, proposals};
use crate::limits::PluginLimits;
use portcullis_contract::{CONTRACT_VERSION, MANIFEST_SECTION, Manifest, excerpt, printable};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;
use wasmparser::{Encoding, Parser, Payload};

/// The interface that a plugin exports, without its version.
pub(super) const POLICY_INTERFACE: &str = "portcullis:policy/policy";
/// The one that a plugin exports instead if it takes its requests packed.
pub(super) const PACKED_INTERFACE: &str = "portcullis:policy/packed-policy";
/// The interface whose types it uses, which it exports too.
const TYPES_INTERFACE: &str = "portcullis:policy/types";

/// The SHA-256 digest of a plugin file. As text: `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest: write `sha256:` and 64 hexadecimal digits")]
pub struct DigestError(String);

/// What a plugin file is, as found by reading it. See [`inspect`].
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// The digest of the file.
    pub digest: Digest,
    /// The file's size in bytes.
    pub bytes: usize,
    /// What the plugin says of itself, if it is a component with a readable manifest.
    pub manifest: Option<Manifest>,
    /// What the component imports, in order.
    pub imports: Vec<String>,
    /// What the component exports, in order.
    pub exports: Vec<String>,
    /// Why a host would refuse to load it, the gravest first. Empty if reading finds nothing; that
    /// it compiles and accepts its settings is found by loading it.
    #[serde(serialize_with = "texts")]
    pub refusals: Vec<LoadError>,
}

fn texts<S: serde::Serializer>(errors: &[LoadError], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(errors.iter().map(ToString::to_string))
}

/// Reads the plugin in `file`, at most one byte more than its limit, so that a file beyond it is
/// refused without being read.
///
/// # Errors
///
/// Those of the system.
pub fn read_component(file: &Path, limits: &PluginLimits) -> io::Result<Vec<u8>> {
    let most = limits.component_bytes.saturating_add(1);
    let mut bytes = Vec::new();
    File::open(file)?
        .take(most as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Looks at a plugin file without running any of it.
pub fn inspect(bytes: &[u8], limits: &PluginLimits) -> Inspection {
    inspect_of(Digest::of(bytes), bytes, limits)
}

/// As [`inspect`], of bytes whose digest is known.
pub(super) fn inspect_of(digest: Digest, bytes: &[u8], limits: &PluginLimits) -> Inspection {
    let mut inspection = look(digest, bytes, limits);
    let unreadable = matches!(
        inspection.refusals.first(),
        Some(
            LoadError::TooLarge { .. }
                | LoadError::NotWasm(_)
                | LoadError::CoreModule
                | LoadError::Malformed { .. }
        )
    );
    if unreadable {
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

/// As [`inspect_of`], of a file that is known to be valid.
pub(super) fn look(digest: Digest, bytes: &[u8], limits: &PluginLimits) -> Inspection {
    let mut inspection = Inspection {
        digest,
        bytes: bytes.len(),
        manifest: None,
        imports: Vec::new(),
        exports: Vec::new(),
        refusals: Vec::new(),
    };
    if bytes.len() > limits.component_bytes {
        inspection.refusals.push(LoadError::TooLarge {
            bytes: bytes.len(),
            limit: limits.component_bytes,
        });
        return inspection;
    }
    match read(bytes, &mut inspection) {
        Ok(manifest) => {
            judge_interfaces(&mut inspection);
            match manifest {
                None => inspection.refusals.push(LoadError::NoManifest),
                Some(Err(error)) => inspection.refusals.push(error),
                Some(Ok(manifest)) => inspection.manifest = Some(manifest),
            }
        }
        Err(error) => inspection.refusals.push(error),
    }
    inspection
}

type FoundManifest = Option<Result<Manifest, LoadError>>;

/// Collects imports, exports and manifest of a component's top level.
fn read(bytes: &[u8], inspection: &mut Inspection) -> Result<FoundManifest, LoadError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(LoadError::NotWasm(describe(bytes)));
    }
    let malformed = |error: wasmparser::BinaryReaderError| malformed(&error);
    let mut manifest: FoundManifest = None;
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => return Err(LoadError::CoreModule),
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

pub(super) fn malformed(error: &wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Malformed {
        offset: error.offset() as u64,
        message: printable(error.message()),
    }
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

/// What a file that is no WebAssembly seems to be.
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

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", base16ct::lower::encode_string(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let wrong = || DigestError(text.to_owned());
        let hex = text.strip_prefix("sha256:").ok_or_else(wrong)?;
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (index, byte) in digest.iter_mut().enumerate() {
            let digits = hex.get(index * 2..index * 2 + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(digest))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_what_it_writes() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for wrong in [
            "",
            "sha256:",
            "ba78",
            "sha512:ba",
            &format!("sha256:{}", "+f".repeat(32)),
        ] {
            assert!(wrong.parse::<Digest>().is_err(), "{wrong}");
        }
    }
}
