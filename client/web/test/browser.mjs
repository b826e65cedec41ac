// Two people play in Chromium: `node browser.mjs SCENE.json`. The scene names the proxies with their origins and processes,
// where the border is, and where pictures and the result go. Run by deploy/local/tests/browser.rs; prints what it sees.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const scene = JSON.parse(readFileSync(process.argv[2], "utf8"));
const PATIENCE = 40_000;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const result = {};
const say = (what) => console.log(`${((Date.now() - began) / 1000).toFixed(1)} s: ${what}`);
const began = Date.now();

const browser = await chromium.launch({
  executablePath: scene.chromium,
  args: [...FLAGS, "--disable-component-update", "--disable-sync"],
});

/** Opens the page as somebody new, and waits until it is in the world. */
async function join(url, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // A proxy that was killed cannot be reached: the browser says so itself.
    if (message.type() === "error" && !/ERR_CONNECTION|WebSocket connection/u.test(message.text())) faults.push(message.text());
  });
  const started = Date.now();
  await page.goto(url);
  await page.waitForFunction(() => globalThis.page?.view.own !== undefined, undefined, { timeout: PATIENCE });
  const inAfterMs = Date.now() - started;
  await page.evaluate(() => {
    globalThis.gaps = [];
    globalThis.errors = [];
    mesh.on("status", ({ ownGapMs, errorUnits }) => {
      gaps.push(ownGapMs);
      errors.push(errorUnits);
    });
  });
  return { page, faults, inAfterMs };
}

const until = (who, what, argument) => who.page.waitForFunction(what, argument, { timeout: PATIENCE });
const own = (who) => who.page.evaluate(() => ({ ...page.view.own, entity: String(mesh.entity), name: document.title }));
const text = (who, selector) => who.page.textContent(selector);
const log = (who, words) => until(who, (words) => document.getElementById("log").textContent.includes(words), words);

async function walkTo(who, x, y) {
  await who.page.evaluate(([x, y]) => page.controls.walkTo({ x, y }), [x, y]);
  await until(who, ([x, y]) => Math.hypot(page.view.own.x - x, page.view.own.y - y) < 1, [x, y]);
}

/** The longest gap in own states, and the largest error, from now until `what` is done. */
async function watched(who, what) {
  await who.page.evaluate(() => (gaps.length = errors.length = 0));
  await what();
  await who.page.waitForTimeout(300);
  return who.page.evaluate(() => {
    const sorted = errors.toSorted((a, b) => a - b);
    return { gapMs: Math.max(...gaps), errorUnits: sorted.at(-1), usualErrorUnits: sorted[sorted.length >> 1] };
  });
}

async function walkAround(who) {
  for (const key of ["ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight"]) {
    await who.page.keyboard.down(key);
    await who.page.waitForTimeout(1_200);
    await who.page.keyboard.up(key);
  }
}

/** How long the page takes for so much work, the quickest of several times, and how many pictures it draws in a second. */
async function speed(who) {
  return who.page.evaluate(async () => {
    let workMs = Infinity;
    for (let time = 0; time < 8; time += 1) {
      const began = performance.now();
      for (let round = 0, sum = 0; round < 4e6; round += 1) sum += Math.sqrt(round);
      workMs = Math.min(workMs, performance.now() - began);
    }
    let frames = 0;
    const end = performance.now() + 1_000;
    while (performance.now() < end) {
      await new Promise(requestAnimationFrame);
      frames += 1;
    }
    return { workMs, frames };
  });
}

async function accessible(who, where) {
  await who.page.evaluate(axe);
  const { violations } = await who.page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`);
  assert.deepEqual(told, [], `axe-core finds in ${where}`);
}

async function pictures(who, whose) {
  const { page } = who;
  for (const [device, width, height] of [["desktop", 1280, 800], ["phone", 390, 844]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(400);
      await page.screenshot({ path: `${scene.pictures}/${whose}-${device}-${colorScheme}.png` });
      await accessible(who, `${device}, ${colorScheme}`);
    }
  }
}

/** The processes of the browser. */
function processes() {
  const stat = (pid) => readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /su, "").split(" ");
  const parents = new Map();
  for (const name of readdirSync("/proc")) {
    try {
      if (/^\d+$/u.test(name)) parents.set(Number(name), Number(stat(name)[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const isOurs = (pid) => pid !== undefined && pid > 1 && (pid === process.pid || isOurs(parents.get(pid)));
  return [...parents.keys()].filter((pid) => pid !== process.pid && isOurs(pid));
}

async function sleep(ms) {
  const all = processes();
  const signal = (name) => {
    for (const pid of all) {
      try {
        process.kill(pid, name);
      } catch {
        // It has ended meanwhile.
      }
    }
  };
  signal("SIGSTOP");
  await new Promise((done) => setTimeout(done, ms));
  signal("SIGCONT");
}

const [first, second] = scene.proxies;
const ada = await join(first.url, { viewport: { width: 1280, height: 800 }, colorScheme: "light" });
const bob = await join(second.url, { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true });
result.inAfterMs = ada.inAfterMs;
say(`two are in, the first after ${ada.inAfterMs} ms`);

// What this machine makes of somebody who stands still. Others may be at work on it: what holds is ten times the goals.
const still = await watched(ada, () => ada.page.waitForTimeout(2_000));
const slow = 10;
result.still = still;
say(`a standing player waits ${still.gapMs.toFixed(0)} ms for its own state at the longest`);

// A gem each way to the border; both meet there.
const [borderX, y] = scene.border;
await until(ada, () => page.view.spots.some(({ kind }) => kind === 3));
const gem = await ada.page.evaluate(() => {
  const far = ({ x, y }) => Math.hypot(x - page.view.own.x, y - page.view.own.y);
  const { x, y } = page.view.spots.filter(({ kind }) => kind === 3).sort((a, b) => far(a) - far(b))[0];
  return { x, y };
});
await walkTo(ada, gem.x, gem.y);
await ada.page.focus("#world");
await ada.page.keyboard.press("e");
await log(ada, "You picked up a gem.");
await until(ada, () => document.getElementById("gems").textContent === "1");
say("the first has picked up a gem");

await Promise.all([walkTo(ada, borderX - 3, y), walkTo(bob, borderX + 3, y)]);
const [at, other] = [await own(ada), await own(bob)];
for (const [who, entity] of [[ada, other.entity], [bob, at.entity]]) {
  await until(who, (id) => mesh.entities.has(BigInt(id)), entity);
}
assert.notEqual(await text(ada, "#server"), await text(bob, "#server"), "each is on a server of its own");
await until(ada, () => document.getElementById("near-list").textContent.length > 0);

await ada.page.fill("#words", "Hello over there!");
await ada.page.press("#words", "Enter");
await log(bob, "Hello over there!");
await bob.page.tap("#emotes button:first-child");
await log(ada, "👋");
say("they have spoken over the border");

await until(ada, () => !document.getElementById("give").disabled);
await pictures(ada, "ada");
await ada.page.setViewportSize({ width: 1280, height: 800 });
await ada.page.emulateMedia({ colorScheme: "light" });
await ada.page.click("#give");
await log(bob, "Somebody gave you a gem!");
await until(bob, () => document.getElementById("gems").textContent === "1");
await until(ada, () => document.getElementById("gems").textContent === "0");
say("a gem was given over the border");

await ada.page.focus("#world");
const before = await own(ada);
const crossings = Number(await text(ada, "#crossings"));
const crossing = await watched(ada, async () => {
  await ada.page.keyboard.down("d");
  await until(ada, (x) => page.view.own.x > x, borderX + 5);
  await ada.page.keyboard.up("d");
  await until(ada, (count) => document.getElementById("crossings").textContent === String(count + 1), crossings);
});
const after = await own(ada);
assert.equal(after.entity, before.entity, "the same entity on the other side");
assert.equal(await text(ada, "#server"), await text(bob, "#server"));
assert.ok(crossing.gapMs <= 250 * slow, `${crossing.gapMs} ms without an own state at the border`);
result.crossing = crossing;
say(`over the border: ${crossing.gapMs.toFixed(0)} ms without an own state at the longest, ${crossing.errorUnits.toFixed(2)} units off`);

// Bad weather, by the panel.
await bob.page.tap("#weather-open");
for (const [name, value] of [["delay", 150], ["jitter", 50], ["loss", 5]]) {
  await bob.page.locator(`#${name}`).evaluate((input, value) => {
    input.value = String(value);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }, value);
}
await accessible(bob, "the weather panel");
await until(bob, () => mesh.status.roundTripMs >= 100);
await bob.page.focus("#world");
const weather = await watched(bob, () => walkAround(bob));
assert.ok(weather.usualErrorUnits <= 0.5 * slow, `usually ${weather.usualErrorUnits} units off in bad weather`);
// Who turns while a lost message is repeated has walked on at the server meanwhile.
assert.ok(weather.errorUnits <= 8, `${weather.errorUnits} units off in bad weather`);
assert.match(await text(bob, "#transport"), /^Web/u, "it holds");
result.weather = weather;
say(`in bad weather: ${weather.usualErrorUnits.toFixed(2)} units off, ${weather.errorUnits.toFixed(2)} at most`);
await bob.page.click("#weather-clear");

// A phone with a quarter of the speed.
const fast = await speed(bob);
const brake = await bob.page.context().newCDPSession(bob.page);
await brake.send("Emulation.setCPUThrottlingRate", { rate: 4 });
const braked = await speed(bob);
assert.ok(braked.workMs > 2 * fast.workMs, `${braked.workMs} ms for what took ${fast.workMs} ms: nothing is slowed`);
await bob.page.focus("#world");
const slowed = await watched(bob, () => walkAround(bob));
await brake.send("Emulation.setCPUThrottlingRate", { rate: 1 });
await brake.detach();
assert.ok(braked.frames * 4 * slow >= fast.frames, `${braked.frames} pictures a second instead of ${fast.frames}`);
assert.ok(slowed.usualErrorUnits <= 0.5 * slow, `usually ${slowed.usualErrorUnits} units off on a slow machine`);
assert.ok(slowed.gapMs <= 250 * slow, `${slowed.gapMs} ms without an own state on a slow machine`);
result.slowed = { ...slowed, frames: braked.frames, usualFrames: fast.frames };
say(`a quarter as fast: ${braked.frames} pictures a second instead of ${fast.frames}, ${slowed.usualErrorUnits.toFixed(2)} units off, ${slowed.gapMs.toFixed(0)} ms without an own state at the longest`);

// The proxy dies that serves the first.
const serving = scene.proxies.find(({ name }) => name === first.name);
assert.equal(await text(ada, "#proxy"), first.name, "it serves whose page it gave");
const died = Date.now();
process.kill(serving.pid, "SIGKILL");
await until(ada, (name) => {
  const proxy = document.getElementById("proxy").textContent;
  return proxy !== name && document.getElementById("transport").textContent.startsWith("Web");
}, first.name);
result.backAfterMs = Date.now() - died;
await log(bob, "Hello over there!");
assert.ok((await text(ada, "#banner")).includes("Back where you were"));
assert.ok(result.backAfterMs <= 2_000 * slow, `back after ${result.backAfterMs} ms`);
const back = await own(ada);
assert.equal(back.entity, before.entity, "the same entity by way of another proxy");
assert.ok(Math.hypot(back.x - after.x, back.y - after.y) < 2, "where it was");
await ada.page.keyboard.press("1");
await ada.page.fill("#words", "I am back");
await ada.page.press("#words", "Enter");
await log(bob, "I am back");
say(`the serving proxy was killed: back after ${result.backAfterMs} ms`);

// Loaded anew, the same player stands where it stood, with what it holds; a second tab is somebody else.
const before_reload = await own(bob);
const gems_before = await text(bob, "#gems");
await bob.page.reload();
await until(bob, () => globalThis.page?.view.own !== undefined);
const reloaded = await own(bob);
assert.equal(reloaded.entity, before_reload.entity, "the same entity after a reload");
assert.ok(Math.hypot(reloaded.x - before_reload.x, reloaded.y - before_reload.y) < 2, "where it was");
await until(bob, (gems) => document.getElementById("gems").textContent === gems, gems_before);
assert.equal(await bob.page.evaluate(() => sessionStorage.getItem("regionmesh.session")), null, "kept only while nobody looks");
await bob.page.fill("#words", "Loaded anew");
await bob.page.press("#words", "Enter");
await log(ada, "Loaded anew");
say("the second has loaded the page anew, and is the same player");

// Nobody sees the page: a snapshot a second is enough. Chromium without a screen hides none by itself.
const hide = (who, isHidden) =>
  who.page.evaluate((isHidden) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, value: isHidden ? "hidden" : "visible" });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
const news = (who) =>
  who.page.evaluate(async () => {
    let count = 0;
    const end = mesh.on("own", () => (count += 1));
    await new Promise((done) => setTimeout(done, 4_000));
    end();
    return count;
  });
await hide(bob, true);
await bob.page.waitForTimeout(1_000);
const hidden = await news(bob);
assert.notEqual(await bob.page.evaluate(() => sessionStorage.getItem("regionmesh.session")), null, "kept while nobody looks");
await hide(bob, false);
await bob.page.waitForTimeout(1_000);
const seen = await news(bob);
assert.ok(hidden >= 1 && hidden <= 6, `${hidden} states in 4 s while hidden`);
assert.ok(seen > hidden, `${seen} states in 4 s while seen`);
assert.equal((await own(bob)).entity, before_reload.entity);
result.hidden = { hidden, seen };
say(`hidden for 4 s: ${hidden} states of its own, seen again: ${seen}`);

// A guest makes an account, and is the same player under a name of its own.
const cleo = await join(second.url, { viewport: { width: 1280, height: 800 } });
const user = (who) => who.page.evaluate(() => String(mesh.user));
const account = async (who, way, name, password) => {
  await who.page.click("#rename");
  if (await who.page.evaluate(() => document.getElementById("rename-dialog").open)) await who.page.click("#account-open");
  await who.page.selectOption("#account-way", way);
  await who.page.fill("#account-name", name);
  await who.page.fill("#account-proof", password);
};
const guest = [await user(cleo), (await own(cleo)).entity];
await account(cleo, "register", "Cleo", "password1");
await cleo.page.click("#account-go");
await until(cleo, () => document.getElementById("account-trouble").textContent.includes("This password is too weak."));
await accessible(cleo, "the account dialog");
await cleo.page.fill("#account-proof", "correct horse battery staple");
await cleo.page.click("#account-go");
await until(cleo, () => document.getElementById("name").textContent === "Cleo");
await until(cleo, () => page.view.own !== undefined);
assert.deepEqual([await user(cleo), (await own(cleo)).entity], guest, "the same player with an account");
// A day later by the same browser: nobody is asked for anything.
await cleo.page.waitForTimeout(500);
await cleo.page.close();
cleo.page = await cleo.page.context().newPage();
await cleo.page.goto(second.url);
await until(cleo, () => globalThis.page?.view.own !== undefined && document.getElementById("name").textContent === "Cleo");
assert.equal(await user(cleo), guest[0], "the same player by its device");
// From another machine, by the password.
const dora = await join(second.url, { viewport: { width: 1280, height: 800 } });
await account(dora, "login", "cleo", "not the password");
await dora.page.click("#account-go");
await until(dora, () => document.getElementById("account-trouble").textContent.includes("The name or the password is wrong."));
await dora.page.fill("#account-proof", "correct horse battery staple");
await dora.page.click("#account-go");
await until(dora, () => document.getElementById("name").textContent === "Cleo");
assert.equal(await user(dora), guest[0], "the same player from elsewhere");
await cleo.page.context().close();
await dora.page.context().close();
say("a guest has made an account, and came back as itself by its device and by its password");

// A machine that sleeps: all of the browser stands still for longer than a proxy waits for a silent client.
const asleep = await own(bob);
await sleep(14_000);
await until(bob, () => document.getElementById("transport").textContent.startsWith("Web") && page.view.own !== undefined);
await bob.page.fill("#words", "Good morning");
await bob.page.press("#words", "Enter");
await log(ada, "Good morning");
assert.equal((await own(bob)).entity, asleep.entity, "the same entity after a sleep");
say("the machine has slept for 14 s, and both are who they were");

await accessible(ada, "the page after all that");
assert.deepEqual(ada.faults, [], "the first page's console");
assert.deepEqual(bob.faults, [], "the second page's console");
await browser.close();
writeFileSync(scene.result, JSON.stringify(result, undefined, 2));
say("all seen");
