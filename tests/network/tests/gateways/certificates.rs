//! Certificates of the decision point, of Traefik and of clients.

use base64ct::{Base64, Encoding as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An authority, whose certificates are in a folder.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    /// Makes an authority, with its certificate in `{name}-ca.pem`.
    pub(crate) fn new(name: &str, folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.join(format!("{name}-ca.pem")), issuer.pem()).unwrap();
        Self {
            issuer,
            folder: folder.to_owned(),
        }
    }

    /// The certificate of the authority as bundles have it.
    pub(crate) fn in_base64(&self) -> String {
        Base64::encode_string(self.issuer.der())
    }

    /// Issues a certificate, in `{name}.pem` with its key in `{name}.key`.
    pub(crate) fn issue(&self, name: &str, of: SanType) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![of];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now - Duration::from_secs(60);
        params.not_after = now + Duration::from_secs(1800);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |end: &str| self.folder.join(format!("{name}.{end}"));
        fs::write(file("pem"), certificate.pem()).unwrap();
        write_secret(&file("key"), &key.serialize_pem());
    }
}

/// The name of a workload or an enforcement point.
pub(crate) fn id(spiffe_id: &str) -> SanType {
    SanType::URI(spiffe_id.try_into().unwrap())
}

/// The name of a server of this machine.
pub(crate) fn loopback() -> SanType {
    SanType::IpAddress([127, 0, 0, 1].into())
}

/// Writes a file that no other user can read.
pub(crate) fn write_secret(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}
