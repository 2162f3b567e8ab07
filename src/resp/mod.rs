//! The Redis protocol on the wire: requests are decoded, replies are encoded. Neither side knows any command.
//!
//! A request is a flat array of bulk strings, `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`, or a line, `GET k\r\n`.
//! They are decoded here rather than by `redis-protocol`, which decodes every frame there is: it follows
//! arrays in arrays by recursion, as deep as the client likes, so that 40 KB of `*1\r\n` overflow the stack
//! and end the process; it starts over with each piece of a request that arrives in many; it knows no
//! inline requests; and it takes several times as long. In the tests it is the second opinion that ours is
//! held against.

mod decode;
mod encode;
mod inline;

pub use decode::{Decoder, Requests};
pub use encode::{Protocol, as_push, encode, encode_bulk, encode_set_header};
