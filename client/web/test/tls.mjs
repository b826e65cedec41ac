// Somebody opens the page over TLS in Chromium: `node tls.mjs SCENE.json`. The scene names the url of the proxy and its
// certificate, which no authority vouches for: the browser is told its fingerprint. Run by deploy/local/tests/browser.rs.

import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const scene = JSON.parse(readFileSync(process.argv[2], "utf8"));
const key = new X509Certificate(readFileSync(scene.certificate)).publicKey.export({ type: "spki", format: "der" });
const fingerprint = createHash("sha256").update(key).digest("base64");
const browser = await chromium.launch({
  executablePath: scene.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", `--ignore-certificate-errors-spki-list=${fingerprint}`],
});
const page = await browser.newPage();
await page.goto(scene.url);
await page.waitForFunction(() => globalThis.page?.view.own !== undefined, undefined, { timeout: 40_000 });
assert.equal(await page.evaluate(() => `${location.protocol} ${isSecureContext}`), "https: true");
const proxies = await page.evaluate(() => fetch("/join.json").then((join) => join.json()));
assert.equal(proxies.proxies[0].url, scene.url);
const x = await page.evaluate(() => globalThis.page.view.own.x);
await page.focus("#world");
await page.keyboard.down("d");
await page.waitForFunction((x) => Math.abs(globalThis.page.view.own.x - x) > 1, x, { timeout: 40_000 });
await page.keyboard.up("d");
await browser.close();
console.log("walked over TLS");
