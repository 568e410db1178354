//! Converts a core module or a component to a policy component.

use portcullis_contract::MANIFEST_SECTION;
use std::borrow::Cow;
use wasm_encoder::{CustomSection, Encode, Section};
use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

/// The reason why bytes cannot become a policy component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// The bytes are not WebAssembly.
    #[error("not a WebAssembly binary: {0}")]
    NotWasm(String),
    /// The core module was not built against a WIT world.
    #[error(
        "the core module describes no component: build it with portcullis-sdk and its `#[policy]`, or another generator of WIT bindings"
    )]
    NoComponentType,
    /// The core module does not implement the world that it declares.
    #[error("the core module cannot become a component: {0}")]
    Encode(String),
}

/// Makes a policy component from `wasm`, with `manifest` embedded.
///
/// `wasm` is a core module built against the contract, or a component. `manifest` is the text of
/// `plugin.toml`, and replaces any embedded manifest.
///
/// # Errors
///
/// [`ComponentError`] if `wasm` is neither such a module nor a component.
pub fn componentize(wasm: &[u8], manifest: &str) -> Result<Vec<u8>, ComponentError> {
    let component = match encoding(wasm)? {
        Encoding::Component => Cow::Borrowed(wasm),
        Encoding::Module => Cow::Owned(encode(wasm)?),
    };
    let mut with_manifest = without_manifest(&component)?;
    let section = CustomSection {
        name: MANIFEST_SECTION.into(),
        data: manifest.as_bytes().into(),
    };
    with_manifest.push(section.id());
    section.encode(&mut with_manifest);
    Ok(with_manifest)
}

fn encoding(wasm: &[u8]) -> Result<Encoding, ComponentError> {
    match Parser::new(0).parse_all(wasm).next() {
        Some(Ok(Payload::Version { encoding, .. })) => Ok(encoding),
        Some(Err(error)) => Err(ComponentError::NotWasm(error.to_string())),
        _ => Err(ComponentError::NotWasm("it is empty".to_owned())),
    }
}

fn encode(module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let describes_a_component = Parser::new(0).parse_all(module).any(|payload| {
        matches!(payload, Ok(Payload::CustomSection(section))
            if section.name().starts_with("component-type"))
    });
    if !describes_a_component {
        return Err(ComponentError::NoComponentType);
    }
    let module = without_post_returns(module)?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| ComponentError::Encode(format!("{error:#}")))
}

/// Removes the functions that free a verdict's memory from the module's exports.
///
/// The host discards the instance after the verdict, and each of these functions costs a call into the
/// sandbox.
fn without_post_returns(module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let not_wasm =
        |error: wasmparser::BinaryReaderError| ComponentError::NotWasm(error.to_string());
    let mut kept = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(not_wasm)?;
        if let Payload::ExportSection(section) = payload {
            let mut exports = wasm_encoder::ExportSection::new();
            for export in section {
                let export = export.map_err(not_wasm)?;
                if !export.name.starts_with("cabi_post_") {
                    exports.export(export.name, export.kind.into(), export.index);
                }
            }
            kept.section(&exports);
        } else if let Some((id, range)) = payload.as_section() {
            let data = module.get(range).unwrap_or_default();
            kept.section(&wasm_encoder::RawSection { id, data });
        }
    }
    Ok(kept.finish())
}

/// Removes the manifest sections at the component's top level.
fn without_manifest(component: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let mut kept = Vec::with_capacity(component.len());
    let mut rest = component;
    let mut depth = 0_usize;
    let mut parsers = vec![Parser::new(0)];
    while let Some(parser) = parsers.last_mut() {
        let (consumed, payload) = match parser.parse(rest, true) {
            Ok(wasmparser::Chunk::Parsed { consumed, payload }) => (consumed, payload),
            Ok(wasmparser::Chunk::NeedMoreData(_)) => break,
            Err(error) => return Err(ComponentError::NotWasm(error.to_string())),
        };
        let ours = depth == 0
            && matches!(&payload, Payload::CustomSection(s) if s.name() == MANIFEST_SECTION);
        let (bytes, after) = rest.split_at(consumed);
        rest = after;
        if !ours {
            kept.extend_from_slice(bytes);
        }
        match payload {
            Payload::ModuleSection { parser, .. } | Payload::ComponentSection { parser, .. } => {
                parsers.push(parser);
                depth += 1;
            }
            Payload::End(_) => {
                parsers.pop();
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn manifests(component: &[u8]) -> Vec<String> {
        Parser::new(0)
            .parse_all(component)
            .filter_map(|payload| match payload.unwrap() {
                Payload::CustomSection(s) if s.name() == MANIFEST_SECTION => {
                    Some(String::from_utf8(s.data().to_vec()).unwrap())
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn embeds_a_manifest_once() {
        let first = componentize(EMPTY_COMPONENT, "one").unwrap();
        let second = componentize(&first, "two").unwrap();
        assert_eq!(manifests(&first), ["one"]);
        assert_eq!(manifests(&second), ["two"]);
        assert_eq!(first.len(), second.len());
    }

    #[test]
    fn refuses_what_is_no_component() {
        let refused = |wasm: &[u8]| componentize(wasm, "").unwrap_err();
        assert!(matches!(refused(b"hello"), ComponentError::NotWasm(_)));
        assert!(matches!(refused(b""), ComponentError::NotWasm(_)));
        let module = b"\0asm\x01\0\0\0";
        assert!(matches!(refused(module), ComponentError::NoComponentType));
    }
}
