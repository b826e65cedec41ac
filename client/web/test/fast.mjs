// Somebody plays by WebTransport in Chromium, whose datagrams are lost then, and whose proxy dies: `node fast.mjs SCENE.json`. The
// scene names the proxies with their origins, processes and admin endpoints. Run by deploy/local/tests/browser.rs.

import { readFileSync } from "node:fs";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const scene = JSON.parse(readFileSync(process.argv[2], "utf8"));
const PATIENCE = 40_000;
const browser = await chromium.launch({
  executablePath: scene.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"],
});
const page = await browser.newPage();
const faults = [];
page.on("pageerror", (error) => faults.push(error.message));
page.on("console", (message) => {
  if (message.type() === "error" && !/ERR_CONNECTION|WebSocket connection/u.test(message.text())) faults.push(message.text());
});
const until = (what, argument) => page.waitForFunction(what, argument, { timeout: PATIENCE });
const strip = (words) => until((words) => document.getElementById("transport").textContent === words, words);
const entity = () => page.evaluate(() => String(mesh.entity));

async function metric(proxy, name) {
  const text = await (await fetch(`http://${proxy.admin}/metrics`)).text();
  const line = text.split("\n").find((line) => line.startsWith(`regionmesh_proxy_webtransport_${name} `));
  assert.ok(line, `${name} is told`);
  return Number(line.split(" ").at(-1));
}

/** How many own states come in two seconds, and by how much the counter of a proxy has grown meanwhile. */
async function heard(proxy, name) {
  const before = await metric(proxy, name);
  const states = await page.evaluate(async () => {
    let count = 0;
    const end = mesh.on("own", () => (count += 1));
    await new Promise((done) => setTimeout(done, 2_000));
    end();
    return count;
  });
  return { states, grown: (await metric(proxy, name)) - before };
}

async function walks() {
  const x = await page.evaluate(() => globalThis.page.view.own.x);
  await page.focus("#world");
  const key = x > 40 ? "a" : "d";
  await page.keyboard.down(key);
  await until((x) => Math.abs(globalThis.page.view.own.x - x) > 2, x);
  await page.keyboard.up(key);
}

const [first, second] = scene.proxies;
await page.goto(first.url);
await until(() => globalThis.page?.view.own !== undefined);
await strip("WebTransport");
assert.equal(await metric(first, "sessions"), 1);
const [up, down] = [await heard(first, 'datagrams_total{direction="in"}'), await heard(first, 'datagrams_total{direction="out"}')];
assert.ok(down.states > 4 && down.grown >= down.states / 2, `states come by datagrams: ${JSON.stringify(down)}`);
assert.ok(up.grown > 4, `inputs go by datagrams: ${JSON.stringify(up)}`);
await walks();
const who = await entity();
console.log(`plays by WebTransport: ${down.states} states in 2 s, ${down.grown} datagrams`);

// From now on no datagram arrives, either way, as where a network begins to pass none.
await page.evaluate(() => (mesh.weather = { delayMs: 0, jitterMs: 0, lossPercent: 100 }));
await strip("WebSocket");
await walks();
assert.equal(await entity(), who);
console.log("no datagram arrives: plays on by WebSocket");
await page.evaluate(() => (mesh.weather = { delayMs: 0, jitterMs: 0, lossPercent: 0 }));

// The proxy dies with both of its ways; the next one has both as well.
process.kill(first.pid, "SIGKILL");
await until((name) => document.getElementById("proxy").textContent === name, second.name);
await strip("WebTransport");
assert.ok((await heard(second, 'datagrams_total{direction="out"}')).grown > 4);
await walks();
assert.equal(await entity(), who, "the same player");
assert.deepEqual(faults, [], "the page's console");
await browser.close();
console.log("all seen");
