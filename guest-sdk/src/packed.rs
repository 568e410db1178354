//! Unpacks a request from a block of bytes. Its texts are parts of the block, and none is copied.

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// Unpacks the request in `block`, which the host packed from the contract's record.
#[cfg(any(test, target_family = "wasm"))]
pub(crate) fn request(block: Vec<u8>) -> Result<crate::Fields, postcard::Error> {
    // From here, each text owns its part of the block.
    let block: &'static [u8] = block.leak();
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

            #[cfg(target_family = "wasm")]
            fn visit_borrowed_bytes<E: Error>(self, text: &'de [u8]) -> Result<Text, E> {
                // SAFETY: the text is a part of the block that `request` leaked, which nothing else
                // reads any more, and each part is visited once. The host packs valid UTF-8, which is
                // not verified again, as with the texts of a record. A host that packed other bytes
                // would break its own sandbox.
                Ok(Text(unsafe { crate::alloc::adopt(text) }))
            }

            #[cfg(not(target_family = "wasm"))]
            fn visit_borrowed_bytes<E: Error>(self, text: &'de [u8]) -> Result<Text, E> {
                String::from_utf8(text.to_vec())
                    .map(Text)
                    .map_err(E::custom)
            }
        }

        // Texts and bytes have the same encoding, and reading bytes skips the UTF-8 validation.
        deserializer.deserialize_bytes(Borrowed)
    }
}
