//! Files that are no component.

use super::components::valid;
use super::scaled;
use crate::frame::Made;

/// No bytes.
pub(crate) fn empty() -> Made {
    Made::File(Vec::new())
}

/// The header of a component, and nothing else.
pub(crate) fn header_only() -> Made {
    Made::File(b"\0asm\x0d\0\x01\0".to_vec())
}

/// The header of a component of a later version.
pub(crate) fn later_version() -> Made {
    Made::File(b"\0asm\xff\0\x01\0".to_vec())
}

/// The header of neither a module nor a component.
pub(crate) fn unknown_layer() -> Made {
    Made::File(b"\0asm\x01\0\x07\0".to_vec())
}

/// A core module.
pub(crate) fn core_module() -> Made {
    Made::File(b"\0asm\x01\0\0\0".to_vec())
}

/// A component in text form.
pub(crate) fn text_form() -> Made {
    Made::File(b"(component)".to_vec())
}

/// A native program.
pub(crate) fn native_program() -> Made {
    Made::File(b"\x7fELF\x02\x01\x01\0".to_vec())
}

/// A gzip archive.
pub(crate) fn archive() -> Made {
    Made::File(b"\x1f\x8b\x08\0".to_vec())
}

/// Two components, one after the other.
pub(crate) fn two_components() -> Made {
    let mut bytes = valid();
    bytes.extend(valid());
    Made::File(bytes)
}

/// A component without its second half.
pub(crate) fn first_half() -> Made {
    let bytes = valid();
    Made::File(bytes.get(..bytes.len() / 2).unwrap_or_default().to_vec())
}

/// A component without its last byte.
pub(crate) fn without_the_last_byte() -> Made {
    let mut bytes = valid();
    bytes.pop();
    Made::File(bytes)
}

/// A component and a byte.
pub(crate) fn with_a_byte_after_it() -> Made {
    let mut bytes = valid();
    bytes.push(0);
    Made::File(bytes)
}

/// A section that says it has 4 GiB.
pub(crate) fn section_of_4_gib() -> Made {
    let mut bytes = valid();
    bytes.extend([0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    Made::File(bytes)
}

/// A section whose size is a number without end.
pub(crate) fn section_of_a_size_without_end() -> Made {
    let mut bytes = valid();
    bytes.push(0);
    bytes.extend([0x80; 64]);
    Made::File(bytes)
}

/// A section of a kind that does not exist.
pub(crate) fn section_of_no_known_kind() -> Made {
    let mut bytes = valid();
    bytes.extend([99, 1, 0]);
    Made::File(bytes)
}

/// A section of types that says it has 2^32 - 1 of them.
pub(crate) fn section_of_4_billion_types() -> Made {
    let mut bytes = valid();
    bytes.extend([7, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    Made::File(bytes)
}

/// A file of zeros that is larger than `component-bytes`.
pub(crate) fn larger_than_its_limit() -> Made {
    let mut bytes = valid();
    bytes.resize((16 << 20) + 1, 0);
    Made::File(bytes)
}

/// 1.5 MB of the smallest custom sections; 15 MB at full size.
pub(crate) fn half_a_million_custom_sections() -> Made {
    let mut bytes = valid();
    bytes.extend([0, 1, 0].repeat(scaled(500_000)));
    Made::File(bytes)
}

/// A custom section with a name that commands a terminal.
pub(crate) fn custom_section_that_commands_a_terminal() -> Made {
    let mut bytes = valid();
    bytes.extend([0, 5, 4, 0x1b, b'[', b'2', b'J']);
    Made::File(bytes)
}
