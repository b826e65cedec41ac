// The dialog by which one reports somebody whom one has heard, or who is near.

function get<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page lacks #${id}`);
  return found;
}

/** So many who were heard are remembered. */
const HEARD_MAX = 16;

export class ReportDialog {
  #dialog = get("report", HTMLDialogElement);
  #who = get("report-who", HTMLSelectElement);
  #why = get("report-why", HTMLInputElement);
  /** By user, whoever spoke last at the end. */
  #heard = new Map<bigint, string>();

  constructor(
    /** Players who are near, by user. */
    readonly near: () => Map<bigint, string>,
    report: (user: bigint, why: string) => void,
  ) {
    get("report-open", HTMLButtonElement).addEventListener("click", () => this.#open());
    get("report-cancel", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    get("report-form", HTMLFormElement).addEventListener("submit", () => {
      if (this.#who.value) report(BigInt(this.#who.value), this.#why.value.trim());
    });
  }

  heard(user: bigint, name: string): void {
    this.#heard.delete(user);
    this.#heard.set(user, name);
    const [oldest] = this.#heard.keys();
    if (this.#heard.size > HEARD_MAX && oldest !== undefined) this.#heard.delete(oldest);
  }

  #open(): void {
    const all = new Map([...[...this.#heard].reverse(), ...this.near()]);
    this.#who.replaceChildren(...[...all].map(([user, name]) => new Option(name, String(user))));
    const nobody = all.size === 0;
    get("report-nobody", HTMLElement).hidden = !nobody;
    get("report-go", HTMLButtonElement).disabled = nobody;
    this.#why.value = "";
    this.#dialog.showModal();
    (nobody ? get("report-cancel", HTMLButtonElement) : this.#who).focus();
  }
}
