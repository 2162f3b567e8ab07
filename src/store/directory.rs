//! The segments of a table, in their order: in pieces, so that no growth step moves more than one of them.
//!
//! One list of all of them would be moved as a whole whenever it grows: that of 20 million entries is 22 MB, and readers
//! waited 30 ms for it.

use std::ops::{Index, IndexMut};

use super::segment::Segment;

/// Segments of a piece: some 36 KB.
const PIECE: usize = 512;

/// Room of the last piece, in multiples of what is there, before room is given back.
const SHRINK_FACTOR: usize = 4;

/// All pieces but the last are full, and none is empty.
#[derive(Debug)]
pub(super) struct Directory<T> {
    pieces: Vec<Vec<Segment<T>>>,
    len: usize,
}

impl<T> Directory<T> {
    /// Without segments it holds no memory.
    pub(super) const fn new() -> Self {
        Self { pieces: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn get(&self, at: usize) -> Option<&Segment<T>> {
        self.pieces.get(at / PIECE)?.get(at % PIECE)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Segment<T>> {
        self.pieces.get_mut(at / PIECE)?.get_mut(at % PIECE)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Segment<T>> {
        self.pieces.iter().flatten()
    }

    /// Adds one behind the last.
    pub(super) fn push(&mut self, segment: Segment<T>) {
        if self.len.is_multiple_of(PIECE) {
            // Most tables are small.
            if self.is_empty() {
                self.pieces.reserve_exact(1);
            }
            self.pieces.push(Vec::new());
        }
        if let Some(last) = self.pieces.last_mut() {
            last.push(segment);
            self.len += 1;
        }
    }

    /// Takes the last one out.
    pub(super) fn pop(&mut self) -> Option<Segment<T>> {
        let last = self.pieces.last_mut()?;
        let segment = last.pop()?;
        self.len -= 1;
        if last.is_empty() {
            self.pieces.pop();
        } else if last.capacity() > last.len() * SHRINK_FACTOR {
            last.shrink_to(last.len() * 2);
        }
        Some(segment)
    }
}

impl<T> Index<usize> for Directory<T> {
    type Output = Segment<T>;

    fn index(&self, at: usize) -> &Segment<T> {
        &self.pieces[at / PIECE][at % PIECE]
    }
}

impl<T> IndexMut<usize> for Directory<T> {
    fn index_mut(&mut self, at: usize) -> &mut Segment<T> {
        &mut self.pieces[at / PIECE][at % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expiry::{Expires, Expiry};

    #[derive(Debug, PartialEq)]
    struct Number(usize);

    impl Expires for Number {
        fn earliest(&self) -> Expiry {
            Expiry::NEVER
        }

        fn ends_whole(&self) -> bool {
            true
        }
    }

    fn number(segment: &Segment<Number>) -> usize {
        segment.entries()[0].0
    }

    fn of(len: usize) -> Directory<Number> {
        let mut directory = Directory::new();
        for at in 0..len {
            let mut segment = Segment::new();
            segment.push(0, Number(at));
            directory.push(segment);
        }
        directory
    }

    #[test]
    fn segments_are_in_their_order_whatever_the_pieces() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let mut directory = of(len);
            assert_eq!((directory.len(), directory.is_empty()), (len, len == 0));
            assert!(directory.iter().map(number).eq(0..len));
            assert!((0..len).all(|at| number(&directory[at]) == at && directory.get(at).is_some()));
            assert!(directory.get(len).is_none() && directory.get_mut(len).is_none());
            for at in (0..len).rev() {
                assert_eq!(directory.pop().as_ref().map(number), Some(at));
                assert_eq!(directory.len(), at);
            }
            assert!(directory.pop().is_none() && directory.pieces.is_empty());
        }
    }

    #[test]
    fn what_is_there_stays_in_its_place_when_a_piece_is_added() {
        let mut directory = of(PIECE);
        let before = std::ptr::from_ref(&directory[0]);
        for segment in std::iter::repeat_with(Segment::new).take(PIECE) {
            directory.push(segment);
        }
        assert!(std::ptr::eq(before, &raw const directory[0]));
    }

    #[test]
    fn room_is_given_back_where_segments_go() {
        let mut directory = of(2 * PIECE);
        while directory.len() > 3 {
            directory.pop();
        }
        let room: usize = directory.pieces.iter().map(Vec::capacity).sum();
        assert!(room <= 3 * SHRINK_FACTOR, "{room}");
    }
}
