//! Sections of a WebAssembly binary, to be removed, repeated and moved.

/// Bytes of the magic number and the version.
const HEADER: usize = 8;

/// A binary as its header and its sections, each with its id and content.
#[derive(Debug, Clone)]
pub(crate) struct Sections {
    header: Vec<u8>,
    pub(crate) list: Vec<(u8, Vec<u8>)>,
}

impl Sections {
    /// Splits a binary; `None` if its sections do not end with it.
    pub(crate) fn of(binary: &[u8]) -> Option<Self> {
        let (header, mut rest) = binary.split_at_checked(HEADER)?;
        let mut list = Vec::new();
        while let Some((id, after)) = rest.split_first() {
            let (length, after) = number(after)?;
            let (content, after) = after.split_at_checked(length)?;
            list.push((*id, content.to_vec()));
            rest = after;
        }
        let header = header.to_vec();
        Some(Self { header, list })
    }

    /// Joins the header and the sections.
    pub(crate) fn joined(&self) -> Vec<u8> {
        let mut binary = self.header.clone();
        for (id, content) in &self.list {
            binary.push(*id);
            push_number(&mut binary, content.len());
            binary.extend(content);
        }
        binary
    }
}

/// Reads a number in LEB128.
fn number(mut bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (byte, after) = bytes.split_first()?;
        bytes = after;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, bytes));
        }
    }
    None
}

/// Appends a number in LEB128.
fn push_number(bytes: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_and_its_module_are_split_and_joined_without_change() {
        let module = portcullis_tests::raw::module("", "(i32.const 1024)");
        let component = portcullis_tests::raw::component(&module);
        let sections = Sections::of(&component).unwrap();
        assert_eq!(sections.joined(), component);
        let (_, inner) = sections.list.iter().find(|(id, _)| *id == 1).unwrap();
        assert_eq!(Sections::of(inner).unwrap().joined(), *inner);
        assert!(Sections::of(&component[..component.len() - 1]).is_none());
    }
}
