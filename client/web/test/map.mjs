// Looks at the live map in Chromium: `node map.mjs SCENE.json`. The scene names where the map is, how many bots play, which server
// is killed and restarted when a file says so, and where pictures go. Run by deploy/local/tests/browser.rs.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const scene = JSON.parse(readFileSync(process.argv[2], "utf8"));
const PATIENCE = 40_000;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const browser = await chromium.launch({ executablePath: scene.chromium, args: [...FLAGS, "--disable-component-update", "--disable-sync"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light" });
const page = await context.newPage();
const faults = [];
page.on("pageerror", (error) => faults.push(error.message));
page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
const until = (what, argument) => page.waitForFunction(what, argument, { timeout: PATIENCE });

await page.goto(scene.url);
await until((players) => globalThis.map?.model.players === players, scene.players);
await until(([players, servers]) => {
  const shown = (id) => document.getElementById(id).textContent;
  return shown("players") === String(players) && shown("servers") === `${servers} of ${servers}`;
}, [scene.players, scene.servers]);
const cells = await page.evaluate(() => [...map.model.heat.values()].reduce((sum, count) => sum + count, 0));
assert.ok(Math.abs(cells - scene.players) <= scene.players / 4, `${cells} players in all cells together`);
console.log("all bots are on the map");

// Walking bots cross borders.
await until(() => [...map.model.regions.values()].some(({ crossed }) => [...crossed.values()].some((count) => count > 0)));

// All by keys: a server's figures, closed again.
await page.getByRole("button", { name: scene.victim }).focus();
await page.keyboard.press("Enter");
await until((name) => document.getElementById("detail-title").textContent === name, scene.victim);
await until(() => document.getElementById("charts").textContent.includes("round trip to this proxy"));
await page.keyboard.press("Escape");
await page.waitForSelector("#detail", { state: "hidden" });

// By pointer: a region of the picture, moved and made larger meanwhile.
const [x, y] = await page.evaluate(() => {
  const [west, north, east, south] = [...map.model.regions.values()][0].rect;
  return map.camera.toScreen(west + (east - west) / 4, (north + south) / 2);
});
await page.mouse.click(x, y);
await until(() => document.getElementById("detail-kind").textContent === "Region 1");
const before = await page.evaluate(() => map.camera.scale);
await page.focus("#scene");
await page.keyboard.press("+");
await page.keyboard.press("ArrowLeft");
await page.mouse.move(x, y);
await page.mouse.wheel(0, -120);
await until((before) => map.camera.scale > before * 1.4 && !map.camera.isFitted, before);
await page.keyboard.press("0");
await until(() => map.camera.isFitted);
await page.keyboard.press("Escape");

async function accessible(where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`);
  assert.deepEqual(told, [], `axe-core finds in ${where}`);
}

async function pictures(of) {
  for (const [device, width, height] of [["desktop", 1280, 800], ["phone", 390, 844]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(700);
      await page.screenshot({ path: `${scene.pictures}/${of}-${device}-${colorScheme}.png` });
      await accessible(`${of}, ${device}, ${colorScheme}`);
    }
  }
}

await page.evaluate((number) => map.choose({ kind: "region", number }), 1);
await pictures("map");
await page.setViewportSize({ width: 1280, height: 800 });
await page.emulateMedia({ colorScheme: "light" });

// A server dies, and comes back.
const gone = (name) => [...map.model.servers.values()].some((server) => server.name === name && !server.isUp);
writeFileSync(scene.kill, "");
await until(gone, scene.victim);
await until((name) => document.getElementById("news").textContent.includes(`${name} is gone`), scene.victim);
await until((name) => [...document.querySelectorAll("button")].some(({ textContent }) => textContent.includes(name) && textContent.includes("gone")), scene.victim);
await page.screenshot({ path: `${scene.pictures}/map-gone.png` });
writeFileSync(scene.restart, "");
await until((name) => document.getElementById("news").textContent.includes(`${name} is back`), scene.victim);
await until((players) => map.model.players === players, scene.players);
console.log("a server was gone and is back");

assert.deepEqual(faults, [], "the page's console");
await browser.close();
console.log("all seen");
