//! What processors can do, and the language has no words for: to ask for memory that is going to be read, and to compare
//! many bytes at once. Each has a form for processors of which nothing is known here.
//!
//! A read that is only meant to bring its memory near holds the processor up all the same: it goes on behind it for a few
//! hundred instructions, which are some look-ups, and then waits. An instruction that asks for memory and has no outcome
//! is done at once, and as many are under way as the processor can have.
//!
//! The argument: to ask for memory changes nothing but what is near, and is defined for any address whatsoever, one that
//! can't be read included; these, moreover, are of values that are borrowed. The instructions that compare are part of
//! every x86-64, and read the array that is borrowed and nothing else.

#![allow(unsafe_code)]

use std::ptr;

/// Has the processor fetch a value of at most two cache lines.
#[inline]
pub(super) fn prefetch<T>(value: &T) {
    let first = ptr::from_ref(value).cast::<u8>();
    prefetch_line(first);
    if size_of::<T>() > 1 {
        prefetch_line(first.wrapping_add(size_of::<T>() - 1));
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
fn prefetch_line(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: see above.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

#[cfg(all(target_arch = "aarch64", not(miri)))]
#[inline]
fn prefetch_line(at: *const u8) {
    // SAFETY: see above.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(nostack, readonly, preserves_flags));
    }
}

#[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[inline]
fn prefetch_line(_: *const u8) {}

/// Which of the bytes are this one: a bit for each, the lowest for the first.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn places_of(byte: u8, bytes: &[u8; 32]) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
    let [low, high] = [&bytes[..16], &bytes[16..]].map(|half| {
        // SAFETY: see above; the half is of the 16 bytes that are read.
        let same = unsafe {
            let half = _mm_loadu_si128(half.as_ptr().cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(half, _mm_set1_epi8(byte.cast_signed())))
        };
        same.cast_unsigned()
    });
    low | high << 16
}

/// The same.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn places_of(byte: u8, bytes: &[u8; 32]) -> u32 {
    bytes.iter().rev().fold(0, |places, &other| places << 1 | u32::from(other == byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_of_a_byte_is_told() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            for places in [0, 1, 1 << 15, 1 << 16, 1 << 31, 0x8421_1248, u32::MAX] {
                let bytes = std::array::from_fn(|place| byte ^ u8::from(places >> place & 1 == 0));
                assert_eq!(places_of(byte, &bytes), places, "{byte}");
            }
        }
    }
}
