//! Unpacks a request from a block of bytes. Its texts are parts of the block; only the texts of origins and of
//! answers are copied.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// Unpacks the request in `block`, which the host packed from the contract's record.
#[cfg(any(test, target_family = "wasm"))]
pub(crate) fn request(block: Vec<u8>) -> Result<crate::Fields, postcard::Error> {
    // From here, each text owns its part of the block.
    let block: &'static mut [u8] = block.leak();
    #[cfg(target_family = "wasm")]
    leaked::set(block);
    let block: &'static [u8] = block;
    match postcard::take_from_bytes(block)? {
        (request, []) => Ok(request),
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}

/// Reads a text as a part of the block.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Text::deserialize(deserializer).map(|text| text.0)
}

/// Reads a list of texts.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Texts;

    impl<'de> Visitor<'de> for Texts {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of texts")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
            let mut list = Vec::with_capacity(items.size_hint().unwrap_or_default().min(1024));
            while let Some(Text(text)) = items.next_element()? {
                list.push(text);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(Texts)
}

struct Text(String);

impl<'de> Deserialize<'de> for Text {
    #[inline(never)]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;

        impl<'de> Visitor<'de> for Borrowed {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_bytes<E: Error>(self, text: &'de [u8]) -> Result<Text, E> {
                #[cfg(target_family = "wasm")]
                if leaked::holds(text) {
                    // SAFETY: the text is a part of the block that `request` leaked, which nothing else
                    // reads any more, and each part is visited once. The host packs valid UTF-8, which is
                    // not verified again, as with the texts of a record. A host that packed other bytes
                    // would break its own sandbox.
                    return Ok(Text(unsafe { crate::alloc::adopt(text) }));
                }
                String::from_utf8(text.to_vec())
                    .map(Text)
                    .map_err(E::custom)
            }
        }

        // Texts and bytes have the same encoding, and reading bytes skips the UTF-8 validation.
        deserializer.deserialize_bytes(Borrowed)
    }
}

#[cfg(target_family = "wasm")]
mod leaked {
    //! The block that `request` leaked last. Only texts within it can be adopted.

    use std::sync::atomic::{AtomicUsize, Ordering};

    static BEGIN: AtomicUsize = AtomicUsize::new(0);
    static END: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn set(block: &mut [u8]) {
        // The texts are written to later, so the pointer that is exposed is one that may write.
        let begin = block.as_mut_ptr().expose_provenance();
        BEGIN.store(begin, Ordering::Relaxed);
        END.store(begin + block.len(), Ordering::Relaxed);
    }

    pub(super) fn holds(text: &[u8]) -> bool {
        let begin = text.as_ptr().addr();
        begin >= BEGIN.load(Ordering::Relaxed) && begin + text.len() <= END.load(Ordering::Relaxed)
    }
}
