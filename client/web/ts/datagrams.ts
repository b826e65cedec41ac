// The fast way of a session: datagrams by WebTransport to the proxy that serves it, beside its WebSocket. It is asked for once the
// player is in, so nobody waits for it, and whatever goes wrong with it, the session goes on by its WebSocket.

/** What a proxy tells of itself in `join.json`. */
interface Told {
  url: string;
  /** Digests of certificates that no authority vouches for, in hexadecimal digits. */
  certificate_sha256?: string[];
}

/** A way that was lost, or never found, is looked for again after so long, then after twice as long, and so on. */
const AGAIN_MS = 30_000;
const AGAIN_MS_MAX = 600_000;
/** How long it may take to be there. */
const OPEN_MS = 5_000;
/** Datagrams that may wait here to be sent, and to be taken; the oldest goes for a newer one. */
const WAITING_MAX = 32;

export interface Listener {
  open(): void;
  /** It was there, and is not any more. */
  gone(): void;
  received(datagram: Uint8Array): void;
}

export class Datagrams {
  #transport: WebTransport | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #writing = 0;
  #again: number | undefined;
  #againMs = AGAIN_MS;
  #url: string | undefined;

  constructor(readonly listener: Listener) {}

  /** Looks for a way to the proxy at this origin; without one, for none. The one of before is forgotten. */
  seek(url: string | undefined): void {
    this.end();
    this.#againMs = AGAIN_MS;
    this.#url = url;
    if (url !== undefined && self.isSecureContext && "WebTransport" in self) void this.#open(url);
  }

  end(): void {
    self.clearTimeout(this.#again);
    this.#url = undefined;
    this.#close();
  }

  send(datagram: Uint8Array): void {
    const writer = this.#writer;
    if (!writer || this.#writing >= WAITING_MAX) return;
    this.#writing += 1;
    const written = () => (this.#writing -= 1);
    writer.write(datagram).then(written, written);
  }

  async #open(url: string): Promise<void> {
    try {
      const told = await ask(url);
      if (!told || this.#url !== url) return;
      const transport = new WebTransport(told.url, { requireUnreliable: true, ...hashes(told) });
      this.#close();
      this.#transport = transport;
      // Whatever ends it is dealt with below.
      transport.closed.catch(() => {});
      const late = self.setTimeout(() => transport.close(), OPEN_MS);
      try {
        await transport.ready;
      } finally {
        self.clearTimeout(late);
      }
      if (this.#transport !== transport) return;
      const { datagrams } = transport;
      [datagrams.incomingHighWaterMark, datagrams.outgoingHighWaterMark] = [WAITING_MAX, WAITING_MAX];
      this.#writer = datagrams.writable.getWriter();
      this.#writing = 0;
      this.#againMs = AGAIN_MS;
      this.listener.open();
      await this.#read(transport);
    } catch {
      // A network that passes no UDP, an older browser, a proxy that is gone: the WebSocket does it all.
    }
    if (this.#url !== url) return;
    this.#close();
    this.#again = self.setTimeout(() => void this.#open(url), this.#againMs);
    this.#againMs = Math.min(2 * this.#againMs, AGAIN_MS_MAX);
  }

  async #read(transport: WebTransport): Promise<void> {
    const reader: ReadableStreamDefaultReader<Uint8Array> = transport.datagrams.readable.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.#transport !== transport) return;
      this.listener.received(value);
    }
  }

  #close(): void {
    const wasOpen = this.#writer !== undefined;
    const transport = this.#transport;
    this.#transport = this.#writer = undefined;
    try {
      transport?.close();
    } catch {
      // It has failed by itself.
    }
    if (wasOpen) this.listener.gone();
  }
}

/** What the proxy says of itself now: certificates change within days. */
async function ask(url: string): Promise<Told | undefined> {
  const answer = await fetch(new URL("/join.json", url), { cache: "no-store" });
  const join: { webtransport?: Told } = await answer.json();
  return join.webtransport;
}

function hashes({ certificate_sha256 }: Told): WebTransportOptions {
  if (!certificate_sha256) return {};
  const bytes = (text: string) => Uint8Array.from(text.match(/../gu) ?? [], (pair) => parseInt(pair, 16));
  return { serverCertificateHashes: certificate_sha256.map((text) => ({ algorithm: "sha-256", value: bytes(text) })) };
}
