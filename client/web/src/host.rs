//! What the engine asks of JavaScript: the other end of `Host` in `client/web/ts/worker.ts`, and random bytes.

use protocol::Entropy;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// Is told what happens. Its methods are called while the engine works, so none of them may call the engine; bytes that
    /// it is given are to be copied.
    pub type Host;

    /// Open a connection to the proxy of this place in the list, and forget the one of before; −1 is one that no browser
    /// can reach.
    #[wasm_bindgen(method)]
    pub(crate) fn connect(this: &Host, proxy: i32);
    #[wasm_bindgen(method)]
    pub(crate) fn send(this: &Host, bytes: &[u8]);
    /// A datagram, where something carries datagrams.
    #[wasm_bindgen(method)]
    pub(crate) fn datagram(this: &Host, bytes: &[u8]);
    #[wasm_bindgen(method)]
    pub(crate) fn hang(this: &Host);

    #[wasm_bindgen(method)]
    pub(crate) fn attached(this: &Host, proxy: i32, user: u64);
    /// `code` is −1 when no proxy said one.
    #[wasm_bindgen(method)]
    pub(crate) fn lost(this: &Host, code: i32, text: &str);
    #[wasm_bindgen(method)]
    pub(crate) fn over(this: &Host, code: i32, text: &str);
    /// `regions`: the region number of each cell, row by row.
    #[wasm_bindgen(method)]
    pub(crate) fn world(
        this: &Host,
        width: u32,
        height: u32,
        cell_size: u32,
        view_rings: u32,
        tick_hz: u32,
        regions: &[u32],
    );
    #[wasm_bindgen(method)]
    pub(crate) fn playing(this: &Host, entity: u64, owner_epoch: u64, region: u32, node: u32);
    #[wasm_bindgen(method)]
    pub(crate) fn own(this: &Host, bytes: &[u8], tick: f64, input_ack: f64);
    #[wasm_bindgen(method)]
    pub(crate) fn event(this: &Host, bytes: &[u8]);
    #[wasm_bindgen(method)]
    pub(crate) fn news(this: &Host, region: u32, to_all: bool, bytes: &[u8]);
    #[wasm_bindgen(method)]
    pub(crate) fn acked(this: &Host, number: f64);
    #[wasm_bindgen(method)]
    pub(crate) fn notice(this: &Host, code: i32, text: &str);
    #[wasm_bindgen(method)]
    pub(crate) fn resumed(this: &Host, attach_no: u32);
    /// Whether datagrams carry inputs and news now.
    #[wasm_bindgen(method)]
    pub(crate) fn transport(this: &Host, by_datagrams: bool);
    /// An entity came into view, or its state is another one.
    #[wasm_bindgen(method)]
    pub(crate) fn seen(this: &Host, entity: u64, kind: u32, state: &[u8]);
    #[wasm_bindgen(method)]
    pub(crate) fn gone(this: &Host, entity: u64);

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &mut [u8]);
}

/// The browser's own source.
pub(crate) struct Crypto;

impl Entropy for Crypto {
    fn fill(&mut self, bytes: &mut [u8]) {
        // A call gives at most 64 KiB.
        bytes.chunks_mut(65_536).for_each(get_random_values);
    }
}
