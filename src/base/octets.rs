//! Questions that are asked of every octet of a line or string, answered for eight octets at a time.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Whether all octets are printable ASCII (0x20 to 0x7e).
pub(crate) fn are_printable(octets: &[u8]) -> bool {
    none(octets, unprintable)
}

/// Whether none of the octets is one that `odd` finds: of eight octets in a word it marks those by their high bits
/// (it may mark others too where there is one). A blank must not be odd.
pub(crate) fn none(octets: &[u8], odd: impl Fn(u64) -> u64) -> bool {
    let (words, rest) = octets.as_chunks();
    let found = words.iter().fold(0, |found, word| found | odd(u64::from_le_bytes(*word)));
    let last = octets.last_chunk().copied().unwrap_or_else(|| {
        let mut padded = [b' '; 8];
        padded.iter_mut().zip(rest).for_each(|(to, octet)| *to = *octet);
        padded
    });
    found | odd(u64::from_le_bytes(last)) == 0
}

/// What is no printable ASCII, for [`none`].
pub(crate) fn unprintable(word: u64) -> u64 {
    // A borrow or carry that reaches the next octet comes from an odd one.
    (word.wrapping_sub(LOW.wrapping_mul(0x20)) | word.wrapping_add(LOW) | word) & HIGH
}

/// The control characters below 0x20, for [`none`].
pub(crate) fn control(word: u64) -> u64 {
    word.wrapping_sub(LOW.wrapping_mul(0x20)) & !word & HIGH
}

/// This octet, for [`none`].
pub(crate) fn same(word: u64, octet: u8) -> u64 {
    let differs = word ^ LOW.wrapping_mul(u64::from(octet));
    differs.wrapping_sub(LOW) & !differs & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_odd_octet_is_found_wherever_it_stands() {
        for length in 0..40 {
            assert!(are_printable(&vec![b'~'; length]));
            for at in 0..length {
                for octet in 0..=u8::MAX {
                    let mut line = vec![b' '; length];
                    line[at] = octet;
                    assert_eq!(are_printable(&line), matches!(octet, b' '..=b'~'), "{octet} at {at} of {length}");
                    assert_eq!(none(&line, control), octet >= b' ', "{octet} at {at} of {length}");
                    assert_eq!(none(&line, |word| same(word, b'"')), octet != b'"', "{octet} at {at} of {length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_judged_as_one_by_one(line: Vec<u8>) {
            prop_assert_eq!(are_printable(&line), line.iter().all(|octet| matches!(octet, b' '..=b'~')));
            prop_assert_eq!(none(&line, control), line.iter().all(|octet| *octet >= b' '));
            prop_assert_eq!(none(&line, |word| same(word, b'\\')), !line.contains(&b'\\'));
        }
    }
}
