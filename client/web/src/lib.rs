//! The client core as a browser's worker drives it: bytes of a WebSocket in and out, and once a picture the places of all
//! who are in view. `client/web/ts` is what pages use; `client/web/build` makes both into `client/web/dist`.

#![cfg(target_arch = "wasm32")]

mod account;
mod engine;
mod frame;
mod host;
mod join;

pub use account::Account;
pub use engine::Engine;
#[cfg(feature = "conformance")]
pub use engine::check;
pub use frame::Frame;
pub use host::Host;
