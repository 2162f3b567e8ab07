//! Boxes behind pointers without alignment, for entries of which no byte is wasted.
//!
//! A table of entries of 22 bytes holds a sixth more of them in the same memory than one of entries that are padded for
//! the sake of a pointer that few have; a field of a packed struct, on the other hand, can't be borrowed, and a `Box`
//! there can't be used. So these hold the pointer itself, which can be copied out.
//!
//! The argument: the pointer comes from [`Box::into_raw`], is never handed out, and goes back to `Box::from_raw`
//! once, in `drop`. Borrowing it borrows the holder, as with a `Box`; and like a `Box`, the holder owns what it
//! points to, so that it may go to another thread, or be looked at by several, if that may.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

/// A `Box<T>` that needs no alignment.
#[repr(Rust, packed)]
pub(super) struct Boxed<T>(NonNull<T>, PhantomData<T>);

const _: () = assert!(size_of::<Boxed<u64>>() == 8 && align_of::<Boxed<u64>>() == 1);

// SAFETY: it owns the value, as a box does.
unsafe impl<T: Send> Send for Boxed<T> {}
// SAFETY: it gives out no more than a box does.
unsafe impl<T: Sync> Sync for Boxed<T> {}

impl<T> Boxed<T> {
    pub(super) fn new(value: T) -> Self {
        let value = Box::leak(Box::new(value));
        Self(NonNull::from(value), PhantomData)
    }

    /// The value itself.
    pub(super) fn into_inner(self) -> T {
        let pointer = self.0;
        std::mem::forget(self);
        // SAFETY: the pointer came from a box, and `drop` does not run for it any more.
        *unsafe { Box::from_raw(pointer.as_ptr()) }
    }
}

impl<T> Deref for Boxed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        let pointer = self.0;
        // SAFETY: it points to a value that lives as long as `self`, which is borrowed.
        unsafe { pointer.as_ref() }
    }
}

impl<T> DerefMut for Boxed<T> {
    fn deref_mut(&mut self) -> &mut T {
        let mut pointer = self.0;
        // SAFETY: it points to a value that lives as long as `self`, which is borrowed for changing.
        unsafe { pointer.as_mut() }
    }
}

impl<T> Drop for Boxed<T> {
    fn drop(&mut self) {
        let pointer = self.0;
        // SAFETY: the pointer came from a box, and is used for the last time.
        drop(unsafe { Box::from_raw(pointer.as_ptr()) });
    }
}

impl<T: fmt::Debug> fmt::Debug for Boxed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A `Box<[u8]>` that needs no alignment, and twelve bytes.
#[repr(Rust, packed)]
pub(super) struct BoxedBytes {
    start: NonNull<u8>,
    len: u32,
}

const _: () = assert!(size_of::<BoxedBytes>() == 12 && align_of::<BoxedBytes>() == 1);

// SAFETY: it owns its bytes, as a box does.
unsafe impl Send for BoxedBytes {}
// SAFETY: it gives out no more than a box does.
unsafe impl Sync for BoxedBytes {}

impl BoxedBytes {
    /// A copy of these bytes.
    ///
    /// # Panics
    ///
    /// If there are more than 4 GiB, which no request can hold.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let Ok(len) = u32::try_from(bytes.len()) else { panic!("a name of more than 4 GiB") };
        let bytes: &mut [u8] = Box::leak(bytes.into());
        Self { start: NonNull::from(bytes).cast(), len }
    }

    fn whole(&self) -> *mut [u8] {
        ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.len as usize)
    }
}

impl Deref for BoxedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: these are the start and the length of a box that lives as long as `self`, which is borrowed.
        unsafe { &*self.whole() }
    }
}

impl Drop for BoxedBytes {
    fn drop(&mut self) {
        // SAFETY: these are the start and the length of a box, which are used for the last time.
        drop(unsafe { Box::from_raw(self.whole()) });
    }
}

impl fmt::Debug for BoxedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_value_is_there_until_it_is_dropped_and_dropped_once() {
        let counted = Rc::new(7);
        let mut boxed = [Boxed::new(Rc::clone(&counted)), Boxed::new(Rc::clone(&counted))];
        assert_eq!((**boxed[0], Rc::strong_count(&counted)), (7, 3));
        *boxed[1] = Rc::new(8);
        assert_eq!((**boxed[1], Rc::strong_count(&counted)), (8, 2));
        let [first, second] = boxed;
        drop(second);
        assert_eq!(*first.into_inner(), 7);
        assert_eq!(Rc::strong_count(&counted), 1);
    }

    #[test]
    fn bytes_are_there_at_any_address() {
        #[repr(Rust, packed)]
        struct Odd(u8, BoxedBytes, u8);
        for len in [0, 1, 100] {
            let bytes: Vec<u8> = (0..len).collect();
            let odd = [Odd(1, BoxedBytes::new(&bytes), 2), Odd(1, BoxedBytes::new(&bytes), 2)];
            assert!(odd.iter().all(|odd| (odd.0, &*odd.1, odd.2) == (1, &*bytes, 2)));
        }
    }

    #[test]
    fn they_go_to_other_threads() {
        let boxed = (Boxed::new(vec![1]), BoxedBytes::new(b"two"));
        std::thread::spawn(move || assert_eq!((boxed.0.len(), &*boxed.1), (1, &b"two"[..]))).join().unwrap();
    }
}
