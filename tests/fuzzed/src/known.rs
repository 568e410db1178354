//! Cases that still break a property.

/// A case that still breaks a property of its target.
///
/// The test expects that it does. Once the fault is mended, the entry is removed and the case stays.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Name of the target.
    pub target: &'static str,
    /// Name of the case's file.
    pub case: &'static str,
    /// The broken property.
    pub reason: &'static str,
}

/// Cases that still break a property.
pub const KNOWN: &[Known] = &[];
