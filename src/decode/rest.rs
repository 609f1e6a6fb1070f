//! What is left of a packet behind the headers read so far.

/// The octets from `at` on, as far as captured, and how many more there were on the wire.
///
/// Every header is read through it, so no decoder can look outside the packet, and each refusal knows
/// its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest<'p> {
    /// As far as captured.
    pub bytes: &'p [u8],
    /// Octets that were on the wire behind `bytes` but not captured (snap length).
    pub missing: usize,
    /// Where `bytes` begins in the packet.
    pub at: u32,
}

impl<'p> Rest<'p> {
    /// A whole packet that had `original` octets on the wire.
    pub(super) fn new(bytes: &'p [u8], original: usize) -> Self {
        Rest { bytes, missing: original.saturating_sub(bytes.len()), at: 0 }
    }

    /// How many octets there were on the wire.
    pub(super) fn on_wire(&self) -> usize {
        self.bytes.len().saturating_add(self.missing)
    }

    /// The first `N` octets, where they were captured.
    pub(super) fn header<const N: usize>(&self) -> Option<&'p [u8; N]> {
        self.bytes.first_chunk()
    }

    /// What is behind the first `count` octets, where these were captured.
    pub(super) fn behind(&self, count: usize) -> Option<Self> {
        let bytes = self.bytes.get(count..)?;
        Some(Rest { bytes, missing: self.missing, at: self.place(count) })
    }

    /// The first `count` octets. What a header says is there is believed beyond the end of the frame
    /// too: a mirror port that cuts its copies leaves no other trace of the octets it dropped.
    pub(super) fn clip(&self, count: usize) -> Self {
        let bytes = self.bytes.get(..count).unwrap_or(self.bytes);
        Rest { bytes, missing: count.saturating_sub(bytes.len()), at: self.at }
    }

    /// The place in the packet of the octet `offset` octets from here.
    pub(super) fn place(&self, offset: usize) -> u32 {
        self.at.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_behind_the_clip_is_gone() {
        let rest = Rest::new(&[1, 2, 3, 4], 9).clip(3);
        assert_eq!(rest, Rest { bytes: &[1, 2, 3], missing: 0, at: 0 });
    }

    #[test]
    fn what_the_snap_length_cut_is_missing() {
        let rest = Rest::new(&[1, 2, 3, 4], 9).clip(7);
        assert_eq!(rest, Rest { bytes: &[1, 2, 3, 4], missing: 3, at: 0 });
        assert_eq!(rest.behind(4), Some(Rest { bytes: &[], missing: 3, at: 4 }));
        assert_eq!(rest.behind(5), None);
    }
}
