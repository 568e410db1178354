//! Unpacks a request from a block of bytes. Its texts are parts of the block, and none is copied.

use crate::Request;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::fmt;

/// Unpacks the request in `block`, which the host packed from the contract's record.
pub(crate) fn request(block: Vec<u8>) -> Result<Request, postcard::Error> {
    // From here, each text owns its part of the block.
    let block: &'static [u8] = block.leak();
    match postcard::take_from_bytes(block)? {
        (request, []) => Ok(request),
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}

/// Reads a text as a part of the block.
pub(crate) fn text<'de, D: Deserializer<'de>, R: From<String>>(
    deserializer: D,
) -> Result<R, D::Error> {
    Text::deserialize(deserializer).map(|text| text.0.into())
}

/// Reads a list of texts.
pub(crate) fn texts<'de, D: Deserializer<'de>, R: From<Vec<String>>>(
    deserializer: D,
) -> Result<R, D::Error> {
    list(deserializer, |text: Text| text.0).map(Into::into)
}

/// Reads a list of pairs of texts.
pub(crate) fn pairs<'de, D: Deserializer<'de>, R: From<Vec<(String, String)>>>(
    deserializer: D,
) -> Result<R, D::Error> {
    list(deserializer, |(a, b): (Text, Text)| (a.0, b.0)).map(Into::into)
}

fn list<'de, D: Deserializer<'de>, I: Deserialize<'de>, T>(
    deserializer: D,
    of: fn(I) -> T,
) -> Result<Vec<T>, D::Error> {
    struct List<I, T>(fn(I) -> T);

    impl<'de, I: Deserialize<'de>, T> Visitor<'de> for List<I, T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::with_capacity(items.size_hint().unwrap_or_default().min(1024));
            while let Some(item) = items.next_element()? {
                list.push((self.0)(item));
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(List(of))
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
                // SAFETY: the text is a part of the block that `request` leaked, which nothing else
                // reads any more, and each part is visited once. The host packs valid UTF-8, which is
                // not verified again, as with the texts of a record. A host that packed other bytes
                // would break its own sandbox.
                Ok(Text(unsafe { crate::alloc::adopt(text) }))
            }
        }

        // Texts and bytes have the same encoding, and reading bytes skips the UTF-8 validation.
        deserializer.deserialize_bytes(Borrowed)
    }
}
