//! Three lists of slots, each in the order of last activity: touched, moved and removed in O(1).

/// Which list a slot is in; what must go goes from the first list that has any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// Over, kept for late segments.
    Closed,
    /// Without a completed handshake.
    HalfOpen,
    Open,
}

impl List {
    pub(super) const ALL: [List; 3] = [List::Closed, List::HalfOpen, List::Open];
}

/// No slot: the end of a list.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    behind: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
    length: usize,
}

/// The lists; slots are numbers from 0, the links lie in one block beside each other.
#[derive(Debug)]
pub(super) struct Lists {
    links: Vec<Link>,
    closed: Ends,
    half_open: Ends,
    open: Ends,
}

impl Lists {
    pub(super) fn new() -> Self {
        let empty = Ends { first: NONE, last: NONE, length: 0 };
        Lists { links: Vec::new(), closed: empty, half_open: empty, open: empty }
    }

    pub(super) fn len(&self, list: List) -> usize {
        self.ends(list).length
    }

    /// The slot that was idle for longest.
    pub(super) fn oldest(&self, list: List) -> Option<u32> {
        Some(self.ends(list).first).filter(|&slot| slot != NONE)
    }

    pub(super) fn push(&mut self, list: List, slot: u32) {
        let index = slot as usize;
        if self.links.len() <= index {
            self.links.resize(index.saturating_add(1), Link { before: NONE, behind: NONE });
        }
        let tail = self.ends(list).last;
        self.set(slot, Link { before: tail, behind: NONE });
        if let Some(link) = self.links.get_mut(tail as usize) {
            link.behind = slot;
        }
        let ends = self.ends_mut(list);
        ends.last = slot;
        if ends.first == NONE {
            ends.first = slot;
        }
        ends.length = ends.length.saturating_add(1);
    }

    pub(super) fn remove(&mut self, list: List, slot: u32) {
        let Some(&Link { before, behind }) = self.links.get(slot as usize) else { return };
        if let Some(link) = self.links.get_mut(before as usize) {
            link.behind = behind;
        }
        if let Some(link) = self.links.get_mut(behind as usize) {
            link.before = before;
        }
        let ends = self.ends_mut(list);
        if ends.first == slot {
            ends.first = behind;
        }
        if ends.last == slot {
            ends.last = before;
        }
        ends.length = ends.length.saturating_sub(1);
    }

    /// The slot was active just now.
    pub(super) fn touch(&mut self, list: List, slot: u32) {
        if self.ends(list).last != slot {
            self.remove(list, slot);
            self.push(list, slot);
        }
    }

    fn set(&mut self, slot: u32, to: Link) {
        if let Some(link) = self.links.get_mut(slot as usize) {
            *link = to;
        }
    }

    fn ends(&self, list: List) -> &Ends {
        match list {
            List::Closed => &self.closed,
            List::HalfOpen => &self.half_open,
            List::Open => &self.open,
        }
    }

    fn ends_mut(&mut self, list: List) -> &mut Ends {
        match list {
            List::Closed => &mut self.closed,
            List::HalfOpen => &mut self.half_open,
            List::Open => &mut self.open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order(lists: &mut Lists, list: List) -> Vec<u32> {
        std::iter::from_fn(|| {
            let slot = lists.oldest(list)?;
            lists.remove(list, slot);
            Some(slot)
        })
        .collect()
    }

    #[test]
    fn what_was_touched_goes_last() {
        let mut lists = Lists::new();
        (0..4).for_each(|slot| lists.push(List::Open, slot));
        lists.touch(List::Open, 0);
        lists.touch(List::Open, 2);
        lists.touch(List::Open, 2);
        assert_eq!(in_order(&mut lists, List::Open), [1, 3, 0, 2]);
        assert_eq!(lists.len(List::Open), 0);
    }

    #[test]
    fn a_slot_moves_between_lists() {
        let mut lists = Lists::new();
        (0..3).for_each(|slot| lists.push(List::HalfOpen, slot));
        lists.remove(List::HalfOpen, 1);
        lists.push(List::Open, 1);
        assert_eq!((lists.len(List::HalfOpen), lists.len(List::Open)), (2, 1));
        assert_eq!(in_order(&mut lists, List::HalfOpen), [0, 2]);
        assert_eq!(in_order(&mut lists, List::Open), [1]);
    }
}
