// Compares a fresh build with what is in the repository: `node compare.mjs DIST AGAIN`. Everything but the WebAssembly has to be
// the same to the byte. The WebAssembly is, where it was built by the same compiler in a folder of the same name; symbols are
// ordered by hashes that contain it. Elsewhere both have to want and to offer the same. What the sources make keeps the scripts of
// common/protocol/vectors (`client/web/build --conformance`).

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

const [, , dist, again] = process.argv;
const vectors = new URL("../../../common/protocol/vectors/", import.meta.url);
const WASM = "regionmesh.wasm";
/** Of the package, compressed: a page waits for it. */
const BYTES_MAX = 150_000;

const files = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();

assert.deepEqual(files(again), files(dist), "other files than in the repository: run client/web/build and commit client/web/dist");
for (const name of files(dist).filter((name) => !name.endsWith(WASM))) {
  const isSame = readFileSync(join(dist, name)).equals(readFileSync(join(again, name)));
  assert.ok(isSame, `${name} is not what client/web/build makes of the sources: run it and commit client/web/dist`);
}

const read = (folder) => readFileSync(join(folder, "assets", WASM));
const [one, other] = [read(dist), read(again)];
const isSame = one.equals(other);
/** What a module wants and what it offers, by name. */
const surface = (bytes) => {
  const module = new WebAssembly.Module(bytes);
  const named = (list) => list.map(({ module, name, kind }) => `${kind} ${module ?? ""} ${name}`).sort();
  return [named(WebAssembly.Module.imports(module)), named(WebAssembly.Module.exports(module))];
};
assert.deepEqual(surface(one), surface(other), "another client than the sources make: run client/web/build and commit client/web/dist");
const made = new URL("../.made/conformance/", import.meta.url);
const glue = await import(new URL("engine.js", made));
await glue.default({ module_or_path: readFileSync(new URL("engine_bg.wasm", made)) });
const scripts = readdirSync(vectors).filter((name) => name.endsWith(".txt"));
const kept = scripts.reduce((sum, name) => sum + glue.check(readFileSync(new URL(name, vectors), "utf8")), 0);
assert.ok(kept > 0);
const { gzipSync } = await import("node:zlib");
const names = ["regionmesh.js", "regionmesh-worker.js", WASM];
const bytes = names.reduce((sum, name) => sum + gzipSync(readFileSync(join(dist, "assets", name))).length, 0);
assert.ok(bytes <= BYTES_MAX, `${bytes} bytes compressed, ${BYTES_MAX} are the most`);
console.log(`client/web/dist ${isSame ? "is the same to the byte" : "wants and offers the same"}: ${kept} lines of scripts kept; ${bytes} bytes compressed`);
