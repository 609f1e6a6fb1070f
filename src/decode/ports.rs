//! The TCP ports that are analysed.

use std::sync::LazyLock;

/// A set of ports: one bit for each of the 65,536, so that asking costs the same whatever is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ports(Box<[u64; 1024]>);

impl Ports {
    pub(crate) fn new(ports: impl IntoIterator<Item = u16>) -> Ports {
        let mut words = Box::new([0; 1024]);
        for port in ports {
            if let Some(word) = words.get_mut(usize::from(port >> 6)) {
                *word |= bit(port);
            }
        }
        Ports(words)
    }

    /// All of them.
    pub(super) fn all() -> &'static Ports {
        static ALL: LazyLock<Ports> = LazyLock::new(|| Ports(Box::new([u64::MAX; 1024])));
        &ALL
    }

    /// Whether `port` is in the set.
    pub(crate) fn has(&self, port: u16) -> bool {
        self.0.get(usize::from(port >> 6)).is_some_and(|&word| word & bit(port) != 0)
    }

    /// Whether one of a segment's two ports is in the set.
    pub(crate) fn either(&self, source: u16, destination: u16) -> bool {
        self.has(destination) || self.has(source)
    }
}

/// The bit of `port` in its word.
fn bit(port: u16) -> u64 {
    1 << (port & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_what_was_put_in_and_nothing_else() {
        let wanted = [0, 25, 63, 64, 587, 65535];
        let ports = Ports::new(wanted);
        for port in 0..=u16::MAX {
            assert_eq!(ports.has(port), wanted.contains(&port), "{port}");
            assert!(Ports::all().has(port), "{port}");
        }
    }

    #[test]
    fn either_end_will_do() {
        let ports = Ports::new([25]);
        assert!(ports.either(25, 40000) && ports.either(40000, 25) && !ports.either(40000, 40001));
    }
}
