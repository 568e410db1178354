//! The allocator of a guest: a bump pointer that never looks back.
//!
//! A sandbox lives for one decision, so nothing is gained by giving memory back. Only the last
//! block is ever reused, which is what growing strings and vectors need.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;

const PAGE_BYTES: usize = 64 * 1024;

struct Bump {
    /// The first free address; zero before the first allocation.
    next: Cell<usize>,
    /// The end of linear memory.
    end: Cell<usize>,
    /// Whether what is given back is filled with zeros: what is left in memory when the plugin is
    /// configured is part of the image that every decision starts from, and zeros are not.
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
    /// Where the linker says that the heap begins.
    static __heap_base: u8;
}

impl Bump {
    /// Makes sure that memory reaches to `end`, or says that it cannot.
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
            // SAFETY: the caller vouches for the block, which nobody has any more.
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
        // SAFETY: the caller vouches that `size`, rounded up to the alignment, fits an `isize`.
        let moved = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !moved.is_null() {
            // SAFETY: both blocks hold `layout.size()` bytes, and a new block overlaps no other.
            unsafe { core::ptr::copy_nonoverlapping(block, moved, layout.size()) };
            // SAFETY: the caller vouches for the old block, which nobody has any more.
            unsafe { self.dealloc(block, layout) };
        }
        moved
    }
}

/// Whether memory that is given back is filled with zeros from now on.
pub(crate) fn be_tidy(tidy: bool) {
    BUMP.tidy.set(tidy);
}

/// Makes `text`, a part of a block of this allocator, a block of its own.
///
/// This allocator knows no blocks but by the layouts that it is told: it gives back only what ends
/// where it stands, and moves what grows elsewhere.
///
/// # Safety
///
/// It is UTF-8, the block is never given back as a whole, and this part of it has no other owner.
#[cfg(not(feature = "typed"))]
pub(crate) unsafe fn adopt(text: &[u8]) -> String {
    let begin = core::ptr::with_exposed_provenance_mut(text.as_ptr().expose_provenance());
    // SAFETY: it is UTF-8, and a block as this allocator has them.
    unsafe { String::from_raw_parts(begin, text.len(), text.len()) }
}

/// Makes sure that `bytes` more are at hand.
///
/// Growing memory is a call to the host; called when a plugin is configured, the growth is part of
/// the image that every decision starts from.
pub(crate) fn reserve(bytes: usize) {
    BUMP.start();
    BUMP.reach(BUMP.next.get().saturating_add(bytes));
}
