//! The guest's allocator: a bump pointer.
//!
//! A sandbox lives for one decision, so freeing memory gains nothing. Only the last block is ever reused,
//! which growing strings and vectors need.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;

const PAGE_BYTES: usize = 64 * 1024;

struct Bump {
    /// The first free address; zero before the first allocation.
    next: Cell<usize>,
    /// The end of linear memory.
    end: Cell<usize>,
    /// True if freed memory is filled with zeros.
    ///
    /// It is set while the plugin is configured: non-zero memory left then is part of the image that every
    /// decision starts from.
    tidy: Cell<bool>,
}

// SAFETY: a guest of this contract has one thread.
unsafe impl Sync for Bump {}

#[global_allocator]
static BUMP: Bump = Bump {
    next: Cell::new(0),
    end: Cell::new(0),
    tidy: Cell::new(false),
};

unsafe extern "C" {
    /// Start of the heap, defined by the linker.
    static __heap_base: u8;
}

impl Bump {
    /// Grows memory up to `end`. Returns false if that fails.
    fn reach(&self, end: usize) -> bool {
        if end <= self.end.get() {
            return true;
        }
        let pages = (end - self.end.get()).div_ceil(PAGE_BYTES);
        if core::arch::wasm32::memory_grow::<0>(pages) == usize::MAX {
            return false;
        }
        self.end
            .set(core::arch::wasm32::memory_size::<0>() * PAGE_BYTES);
        true
    }

    fn start(&self) {
        if self.next.get() == 0 {
            self.next.set((&raw const __heap_base).addr());
            self.end
                .set(core::arch::wasm32::memory_size::<0>() * PAGE_BYTES);
        }
    }
}

// SAFETY: blocks are disjoint, since `next` moves past each one before it is handed out and moves
// back only over the last; they are aligned and within linear memory.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.start();
        let Some(begin) = self.next.get().checked_next_multiple_of(layout.align()) else {
            return core::ptr::null_mut();
        };
        let Some(end) = begin.checked_add(layout.size()) else {
            return core::ptr::null_mut();
        };
        if !self.reach(end) {
            return core::ptr::null_mut();
        }
        self.next.set(end);
        core::ptr::with_exposed_provenance_mut(begin)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.tidy.get() {
            // SAFETY: the caller guarantees that the block is valid and no longer in use.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        if block.addr() + layout.size() == self.next.get() {
            self.next.set(block.addr());
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let last = block.addr() + layout.size() == self.next.get();
        if last
            && let Some(end) = block.addr().checked_add(size)
            && self.reach(end)
        {
            self.next.set(end);
            return block;
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller guarantees that `size`, rounded up to the alignment, fits an `isize`.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both blocks hold `layout.size()` bytes, and a new block overlaps no other.
            unsafe { core::ptr::copy_nonoverlapping(block, moved, layout.size()) };
            // SAFETY: the caller guarantees that the old block is valid and no longer in use.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}

/// Sets whether freed memory is filled with zeros.
pub(crate) fn be_tidy(tidy: bool) {
    BUMP.tidy.set(tidy);
}

/// Turns `text`, a part of a block of this allocator, into a block of its own.
///
/// This allocator identifies a block by the layout that it is passed only. It frees a block that ends at
/// the bump pointer, and moves any other that grows.
///
/// # Safety
///
/// `text` is UTF-8, the block is never freed as a whole, and this part of it has no other owner.
pub(crate) unsafe fn adopt(text: &[u8]) -> String {
    let begin = core::ptr::with_exposed_provenance_mut(text.as_ptr().expose_provenance());
    // SAFETY: the caller guarantees UTF-8, and any part of a block is a valid block of this allocator.
    unsafe { String::from_raw_parts(begin, text.len(), text.len()) }
}

/// Grows memory so that `bytes` more are available.
///
/// Growing memory calls the host. If it happens while the plugin is configured, the grown memory is part
/// of the image that every decision starts from.
pub(crate) fn reserve(bytes: usize) {
    BUMP.start();
    BUMP.reach(BUMP.next.get().saturating_add(bytes));
}
