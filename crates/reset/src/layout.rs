//! Layout of the second memory: marks, then the image of the initial memory.

use wasm_encoder::{MemArg, MemoryType};

/// Index of the module's own memory.
pub(crate) const OWN: u32 = 0;
/// Index of the memory for marks and image.
pub(crate) const ASIDE: u32 = 1;
const PAGE_BYTES: u64 = 64 * 1024;

/// Minimum number of bytes that one mark covers.
const LEAST_PART_BYTES: u64 = 1024;
/// Maximum number of parts of a memory.
const MOST_PARTS: u64 = 4096;

/// Bounds of the memories of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Maximum size of the module's own memory, which the host enforces when it grows.
    pub memory_bytes: u64,
    /// Maximum size of the memory that the rewriting adds.
    pub added_bytes: u64,
}

/// Layout of the memory for marks and image.
pub(crate) struct Layout {
    /// Initial size of the module's memory, in bytes.
    pub(crate) memory_bytes: u64,
    /// Size of a part in bytes, as a power of two.
    pub(crate) part_bits: u32,
    /// Number of parts, rounded up to whole words of eight marks.
    pub(crate) parts: u64,
    /// Offset of the image, in bytes.
    pub(crate) image: u64,
    pages: u64,
}

impl Layout {
    /// Layout for a memory of `initial_pages`, if there is room for it within `bounds`.
    pub(crate) fn of(initial_pages: u64, bounds: &Bounds) -> Option<Self> {
        let memory_bytes = initial_pages.checked_mul(PAGE_BYTES)?;
        // Addresses in both memories have 32 bits.
        let most = u64::from(u32::MAX);
        if initial_pages == 0 || memory_bytes > bounds.memory_bytes || bounds.memory_bytes > most {
            return None;
        }
        let part = memory_bytes
            .div_ceil(MOST_PARTS)
            .next_power_of_two()
            .max(LEAST_PART_BYTES);
        // Writes beyond the initial memory are marked too: the instance is discarded later, but until
        // then, marking must not trap.
        let marks = (bounds.memory_bytes / part).next_multiple_of(8) + 8;
        let image = marks.next_multiple_of(PAGE_BYTES / 16);
        let pages = (image + memory_bytes).div_ceil(PAGE_BYTES);
        let bytes = pages * PAGE_BYTES;
        (bytes <= bounds.added_bytes && bytes <= most).then_some(Self {
            memory_bytes,
            part_bits: part.trailing_zeros(),
            parts: memory_bytes.div_ceil(part).next_multiple_of(8),
            image,
            pages,
        })
    }

    /// The memory for marks and image, which never grows.
    pub(crate) fn memory(&self) -> MemoryType {
        MemoryType {
            minimum: self.pages,
            maximum: Some(self.pages),
            memory64: false,
            shared: false,
            page_size_log2: None,
        }
    }

    /// Offset in the image of the byte at `offset` in the memory.
    pub(crate) fn in_image(&self, offset: u32) -> Option<u32> {
        u32::try_from(u64::from(offset).checked_add(self.image)?).ok()
    }
}

/// Place in the memory for marks and image, aligned to 2^`align`.
pub(crate) const fn aside(align: u32) -> MemArg {
    MemArg {
        offset: 0,
        align,
        memory_index: ASIDE,
    }
}

/// The 32 bits of a number below 2^32.
pub(crate) fn wrapped(number: u64) -> i32 {
    u32::try_from(number).unwrap_or(u32::MAX).cast_signed()
}
