// The accounts' API of the proxies, as the worker speaks it: the engine's key signs, and nothing of it leaves the worker.

import { Account } from "../.made/engine.js";
import type { AccountDeed, Join, Refused } from "./messages.js";

/** An answer that does not come is none. */
const ANSWER_MS_MAX = 10_000;
const PATHS = { register: "/api/register", login: "/api/login", password: "/api/password", token: "/api/token", delete: "/api/delete" };
/** Things that are asked for whoever plays; the others are for a key of their own. */
const OF_PLAYER = ["register", "token", "delete"];

/** What a proxy has granted: the session to go on with, and whose it is. */
export interface Granted {
  kept: Uint8Array;
  name: string;
  user: bigint;
}

/** An account that is no more. */
export interface Deleted {
  deleted: string;
}

function documentOf(deed: AccountDeed): Record<string, string> {
  switch (deed.what) {
    case "password":
      return { name: deed.name, new_password: deed.newPassword, [deed.by]: deed.proof };
    case "token":
      return { token: deed.token, name: deed.name ?? "" };
    case "delete":
      return { [deed.by]: deed.proof };
    default:
      return { name: deed.name, password: deed.password };
  }
}

/** What an auth node is asked to do, and with which texts. */
function deedOf(deed: AccountDeed): [string, string[]] {
  switch (deed.what) {
    case "password":
      return [deed.by === "code" ? "reset" : "change", [deed.name, deed.proof, deed.newPassword]];
    case "token":
      return ["token", [deed.token, deed.name ?? ""]];
    case "delete":
      return [deed.by === "token" ? "delete_token" : "delete", [deed.proof]];
    default:
      return [deed.what, [deed.name, deed.password]];
  }
}

/** Sealed to an auth node where the cluster has any, so that no proxy reads it. */
function bodyOf(join: Join, deed: AccountDeed, account: Account): string {
  const auth = (join.auth ?? []).flatMap((node) => [node.uuid, node.public_key]);
  if (auth.length === 0) return JSON.stringify(documentOf(deed));
  const [what, texts] = deedOf(deed);
  const sealed = account.seal(auth, what, texts);
  return JSON.stringify({ sealed: btoa(String.fromCharCode(...sealed)) });
}

/** Does something about an account, for the session that was `kept` or for a new one; refused with what people can be told. */
export async function ask(join: Join, deed: AccountDeed, kept: Uint8Array): Promise<Granted | Deleted | Refused> {
  const path = PATHS[deed.what];
  // A login is for a key of its own; whoever makes an account stays who it is.
  const account = new Account(join.cluster_id, OF_PLAYER.includes(deed.what) ? kept : new Uint8Array());
  const body = bodyOf(join, deed, account);
  const authorization = account.authorization("POST", path, body, Date.now());
  const headers = { authorization, "content-type": "application/json" };
  let answer: Response;
  let told: Record<string, unknown>;
  try {
    answer = await post(join, path, { headers, body });
    told = await answer.json();
  } catch {
    account.free();
    return { code: undefined, text: "No proxy answers just now; try again.", retryMs: 0 };
  }
  if (!answer.ok) {
    account.free();
    const { code, text, reason, retry_ms } = told;
    const words = [text, reason].filter((part) => typeof part === "string" && part !== "").join(" ");
    return { code: Number(code), text: words || answer.statusText, retryMs: Number(retry_ms) || 0 };
  }
  if (deed.what === "delete") {
    account.free();
    return { deleted: String(told["deleted"]) };
  }
  const name = String(told["name"]);
  return { kept: account.granted(String(told["ticket"]), name), name, user: BigInt(String(told["user"])) };
}

/** Has the key of a session that was `kept` bring its user back from now on; whether it does. */
export async function remember(join: Join, kept: Uint8Array): Promise<boolean> {
  const account = new Account(join.cluster_id, kept);
  try {
    const authorization = account.authorization("POST", "/api/device", "", Date.now());
    return (await post(join, "/api/device", { headers: { authorization } })).ok;
  } catch {
    return false;
  } finally {
    account.free();
  }
}

/** Asks one proxy after the other until one answers. */
async function post(join: Join, path: string, request: RequestInit): Promise<Response> {
  const urls = join.proxies.flatMap(({ url }) => url ?? []);
  let failed: unknown = new Error("there is no proxy to ask");
  for (const url of urls.length > 0 ? urls : [location.origin]) {
    try {
      const signal = AbortSignal.timeout(ANSWER_MS_MAX);
      return await fetch(new URL(path, url), { ...request, method: "POST", signal });
    } catch (error) {
      failed = error;
    }
  }
  throw failed;
}
