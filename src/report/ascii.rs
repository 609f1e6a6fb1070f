//! Short text of a fixed length: times and ids, which every record has and which so need no memory of their own.

use std::fmt;
use std::ops::Deref;

use serde::{Serialize, Serializer};

/// `N` octets of ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ascii<const N: usize>(pub(super) [u8; N]);

impl<const N: usize> Ascii<N> {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<const N: usize> Deref for Ascii<N> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<const N: usize> AsRef<[u8]> for Ascii<N> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> fmt::Display for Ascii<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl<const N: usize> Serialize for Ascii<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
impl<const N: usize> PartialEq<String> for Ascii<N> {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}
