//! Client certificates that a proxy states (`X-Forwarded-Client-Cert`, as Envoy writes it).

use percent_encoding::percent_decode_str;

/// Name of the header.
pub(super) const HEADER: &str = "x-forwarded-client-cert";

/// A client certificate, as a proxy states it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Forwarded {
    /// Certificates in DER, leaf first.
    pub(super) chain: Vec<Vec<u8>>,
    /// Digest of the leaf, in hexadecimal.
    pub(super) hash: Option<String>,
    /// URIs of the leaf.
    pub(super) uris: Vec<String>,
}

/// Reads the header of the one hop that a trusted proxy describes.
///
/// # Errors
///
/// The reason why the header is not accepted: several elements, of which a client could have sent the first ones; or
/// no certificate, so that nothing could be verified or revoked.
pub(super) fn read(text: &str) -> Result<Forwarded, String> {
    let mut elements = split(text, ',')?;
    let (Some(element), None) = (elements.next(), elements.next()) else {
        return Err(
            "it describes several clients: have the proxy replace the header (`SANITIZE_SET`)"
                .to_owned(),
        );
    };
    let mut read = Forwarded::default();
    let (mut leaf, mut chain) = (None, None);
    for pair in split(element, ';')? {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| "a key has no value".to_owned())?;
        let value = unquoted(value)?;
        let slot = match key.trim().to_ascii_lowercase().as_str() {
            "cert" => &mut leaf,
            "chain" => &mut chain,
            "hash" => &mut read.hash,
            "uri" => {
                read.uris.push(value);
                continue;
            }
            "by" | "dns" | "subject" => continue,
            _ => return Err("it has an unknown key".to_owned()),
        };
        if slot.replace(value).is_some() {
            return Err("a key is there twice".to_owned());
        }
    }
    let (leaf, chain) = (
        leaf.map(|text| certificates(&text)).transpose()?,
        chain.map(|text| certificates(&text)).transpose()?,
    );
    read.chain = match (leaf, chain) {
        (None, None) => {
            return Err(
                "it has no certificate, so that nothing can be verified: have the proxy send `cert` or `chain` (`set_current_client_cert_details`)"
                    .to_owned(),
            );
        }
        (Some(leaf), Some(chain)) if leaf.first() != chain.first() => {
            return Err("`Cert` is not the first certificate of `Chain`".to_owned());
        }
        (_, Some(chain)) | (Some(chain), None) => chain,
    };
    Ok(read)
}

/// Splits at each `separator` outside of quotes.
fn split(text: &str, separator: char) -> Result<std::vec::IntoIter<&str>, String> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            c if c == separator && !is_quoted => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    if is_quoted {
        return Err("a quotation does not end".to_owned());
    }
    parts.push(text.get(start..).unwrap_or_default());
    Ok(parts.into_iter())
}

/// A value without its quotes.
fn unquoted(value: &str) -> Result<String, String> {
    let Some(inner) = value.strip_prefix('"') else {
        return match value.contains('"') {
            true => Err("a quotation is only a part of a value".to_owned()),
            false => Ok(value.to_owned()),
        };
    };
    let mut read = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    loop {
        match characters.next() {
            Some('\\') => read.extend(characters.next()),
            Some('"') => break,
            Some(c) => read.push(c),
            None => return Err("a quotation does not end".to_owned()),
        }
    }
    match characters.next() {
        None => Ok(read),
        Some(_) => Err("a quotation is only a part of a value".to_owned()),
    }
}

/// Certificates in percent-encoded PEM (RFC 7468).
fn certificates(encoded: &str) -> Result<Vec<Vec<u8>>, String> {
    let wrong = || "a certificate is not percent-encoded PEM".to_owned();
    let text = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| wrong())?;
    let blocks = pem::parse_many(text.as_bytes()).map_err(|_| wrong())?;
    if blocks.is_empty() || blocks.iter().any(|block| block.tag() != "CERTIFICATE") {
        return Err(wrong());
    }
    Ok(blocks.into_iter().map(pem::Pem::into_contents).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three bytes as PEM, encoded as Envoy does.
    const CERT: &str = "-----BEGIN%20CERTIFICATE-----%0AAQID%0A-----END%20CERTIFICATE-----%0A";
    const OTHER: &str = "-----BEGIN%20CERTIFICATE-----%0ABAUG%0A-----END%20CERTIFICATE-----%0A";

    #[test]
    fn reads_what_envoy_writes() {
        let text = format!(
            "By=spiffe://a/gw;Hash=ab12;Cert=\"{CERT}\";Chain=\"{CERT}{OTHER}\";Subject=\"CN=x,O=\\\"y;z\\\"\";URI=spiffe://a/b;DNS=c.example"
        );
        let read = read(&text).unwrap();
        assert_eq!(read.chain, [vec![1, 2, 3], vec![4, 5, 6]]);
        assert_eq!(read.hash.as_deref(), Some("ab12"));
        assert_eq!(read.uris, ["spiffe://a/b"]);
        let alone = super::read(&format!("cert=\"{CERT}\"")).unwrap();
        assert_eq!(alone.chain, [vec![1, 2, 3]]);
    }

    #[test]
    fn refuses_a_header_that_a_client_could_have_begun() {
        for text in [
            String::new(),
            format!("Cert=\"{CERT}\",Cert=\"{CERT}\""),
            format!("URI=spiffe://a/admin,Cert=\"{CERT}\""),
            format!("Cert=\"{CERT}\";Cert=\"{OTHER}\""),
            format!("Cert=\"{CERT}\";Chain=\"{OTHER}\""),
            format!("Cert=\"{CERT}\";Chain=\"\""),
            format!("Cert=\"{CERT}"),
            format!("Cert=\"{CERT}\"x"),
            format!("Cert=x\"{CERT}\""),
            format!("Cert=\"{CERT}\";Role=admin"),
            format!("Cert=\"{CERT}\";URI"),
            format!("Cert=\"{CERT}\";"),
            "URI=spiffe://a/b".to_owned(),
            "Hash=ab12;Subject=\"CN=x\"".to_owned(),
            "Cert=\"AQID\"".to_owned(),
            "Cert=\"-----BEGIN%20CERTIFICATE-----A!-----END%20CERTIFICATE-----\"".to_owned(),
            "Cert=\"-----BEGIN%20PRIVATE%20KEY-----%0AAQID%0A-----END%20PRIVATE%20KEY-----%0A\""
                .to_owned(),
        ] {
            assert!(read(&text).is_err(), "{text}");
        }
    }
}
