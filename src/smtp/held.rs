//! Client bytes that wait for a reply which decides what they are, with the packets they came in.

use std::collections::VecDeque;
use std::sync::Arc;

use super::wire::line::{Piece, Source};
use crate::base::Moment;
use crate::tcp::Gap;

/// What may wait.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Bytes(Kept),
    Gap(Gap),
    /// The client's stream ended here.
    End(Moment),
}

/// Bytes of one packet; clones share them.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    offset: u64,
    bytes: Arc<[u8]>,
    /// So many of them were read already.
    read: usize,
    from: Source,
}

impl Kept {
    pub(super) fn new(piece: &Piece<'_>) -> Kept {
        Kept { offset: piece.offset, bytes: Arc::from(piece.bytes), read: 0, from: piece.from }
    }

    pub(super) fn piece(&self) -> Piece<'_> {
        let mut piece = Piece { offset: self.offset, bytes: &self.bytes, from: self.from };
        piece.take(self.read);
        piece
    }

    /// The same bytes of which all but the last `unread` were read.
    pub(super) fn unread(self, unread: usize) -> Kept {
        Kept { read: self.bytes.len().saturating_sub(unread), ..self }
    }
}

/// A queue of what waits, with its size.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    items: VecDeque<Item>,
    bytes: usize,
}

impl Held {
    /// What an item costs beside its bytes: many small pieces must not hide.
    const ITEM: usize = size_of::<Item>();

    fn cost(item: &Item) -> usize {
        match item {
            Item::Bytes(kept) => kept.bytes.len().saturating_add(Self::ITEM),
            Item::Gap(_) | Item::End(_) => Self::ITEM,
        }
    }

    pub(super) fn push(&mut self, item: Item) {
        self.bytes = self.bytes.saturating_add(Self::cost(&item));
        self.items.push_back(item);
    }

    pub(super) fn push_piece(&mut self, piece: &Piece<'_>) {
        if !piece.is_empty() {
            self.push(Item::Bytes(Kept::new(piece)));
        }
    }

    /// Puts the unread rest of an item back to the front.
    pub(super) fn put_back(&mut self, kept: Kept) {
        if !kept.piece().is_empty() {
            let item = Item::Bytes(kept);
            self.bytes = self.bytes.saturating_add(Self::cost(&item));
            self.items.push_front(item);
        }
    }

    /// Puts bytes in front of all that waits.
    pub(super) fn put_front(&mut self, kept: Kept) {
        self.put_back(kept);
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.bytes = self.bytes.saturating_sub(Self::cost(&item));
        Some(item)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Accounted bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// The first bytes that wait, up to a gap or the end, at most `most` of them.
    pub(super) fn prefix(&self, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for item in &self.items {
            let Item::Bytes(kept) = item else { break };
            bytes.extend(kept.piece().bytes.iter().take(most.saturating_sub(bytes.len())));
            if bytes.len() >= most {
                break;
            }
        }
        bytes
    }

    /// Whether a gap or the stream's end waits too: the bytes before it are all there will be.
    pub(super) fn is_cut(&self) -> bool {
        self.items.iter().any(|item| !matches!(item, Item::Bytes(_)))
    }

    /// Whether the stream ended and no byte waits.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.items.front(), Some(Item::End(_)))
    }

    /// The position of the first byte that waits.
    pub(super) fn offset(&self) -> Option<u64> {
        self.items.iter().find_map(|item| match item {
            Item::Bytes(kept) => Some(kept.piece().offset),
            Item::Gap(_) | Item::End(_) => None,
        })
    }

    /// Where the first bytes that wait came from.
    pub(super) fn source(&self) -> Option<Source> {
        self.items.iter().find_map(|item| match item {
            Item::Bytes(kept) => Some(kept.from),
            Item::Gap(_) | Item::End(_) => None,
        })
    }
}
