// What brings a player back after a day: the session's key in IndexedDB. One tab at a time has it; others are players of their own.

const DATABASE = "regionmesh";
const STORE = "devices";

/** Whether this tab is the one that has the device of this name: until it is closed, no other is. */
export function claim(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    // Only where the page came by a way that nobody can change.
    if (!navigator.locks) resolve(false);
    else {
      const held = navigator.locks.request(`${DATABASE}.${name}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock === null ? undefined : new Promise(() => undefined);
      });
      held.catch(() => resolve(false));
    }
  });
}

/** What was kept; nothing where there is nothing, or no way to read it. */
export async function read(name: string): Promise<Uint8Array> {
  const found = await act("readonly", (store) => store.get(name)).catch(() => undefined);
  return found instanceof Uint8Array ? found : new Uint8Array();
}

/** Keeps it, or takes it away where it is empty. A browser that lets nothing be kept is one without a device. */
export async function write(name: string, kept: Uint8Array): Promise<void> {
  const done = act("readwrite", (store) => (kept.length > 0 ? store.put(kept, name) : store.delete(name)));
  await done.catch(() => undefined);
}

function act(mode: IDBTransactionMode, what: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(STORE, mode);
      const request = what(transaction.objectStore(STORE));
      transaction.oncomplete = () => {
        database.close();
        resolve(request.result);
      };
      transaction.onabort = () => reject(transaction.error);
    };
  });
}
