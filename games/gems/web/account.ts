// The dialog about accounts: nobody needs one to walk, and whoever has one comes back as the same player from anywhere.

import { AccountError, type AccountDeed, type MeshClient } from "regionmesh";

type Way = "register" | "login" | "password" | "code" | "delete";

const ABOUT: Record<Way, string> = {
  register: "An account brings you back as this player, with all that you hold, from any machine.",
  login: "You go on as the player of your account. Gems that this guest holds stay with the guest.",
  password: "All your other sessions end.",
  delete: "For good: the name is free for others, and what you hold falls to the ground. Nobody can undo it.",
  code: "Whoever runs this world can give you a code when a password is forgotten.",
};

function get<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page lacks #${id}`);
  return found;
}

export class AccountDialog {
  #dialog = get("account", HTMLDialogElement);
  #way = get("account-way", HTMLSelectElement);
  #name = get("account-name", HTMLInputElement);
  #proof = get("account-proof", HTMLInputElement);
  #next = get("account-new", HTMLInputElement);
  #trouble = get("account-trouble", HTMLElement);
  #go = get("account-go", HTMLButtonElement);
  /** The name of the account that plays; undefined: a guest. */
  #account: string | undefined;

  constructor(
    readonly client: MeshClient,
    account: string | undefined,
    /** Is told the name of the account that plays from now on. */
    readonly changed: (account: string, user: bigint) => void,
    out: () => void,
    /** The account is no more. */
    readonly deleted: () => void,
  ) {
    this.#account = account;
    this.#way.addEventListener("change", () => this.#show());
    get("account-cancel", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    get("account-out", HTMLButtonElement).addEventListener("click", out);
    get("account-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#dialog.addEventListener("close", () => this.#forget());
  }

  get account(): string | undefined {
    return this.#account;
  }

  /** Another user plays: the login has run out, and the tab has become a guest's. */
  isOver(): void {
    this.#account = undefined;
  }

  open(): void {
    this.#way.value = this.#account === undefined ? "register" : "password";
    this.#name.value = this.#account ?? "";
    this.#show();
    this.#dialog.showModal();
    (this.#account === undefined ? this.#name : this.#proof).focus();
  }

  #show(): void {
    const way = this.#way.value as Way;
    const isNew = way === "password" || way === "code";
    get("account-about", HTMLElement).textContent = ABOUT[way];
    get("account-out", HTMLButtonElement).hidden = this.#account === undefined;
    get("account-new-part", HTMLElement).hidden = !isNew;
    get("account-proof-label", HTMLElement).textContent = way === "code" ? "Code" : "Password";
    this.#proof.type = way === "code" ? "text" : "password";
    this.#proof.autocomplete = way === "register" ? "new-password" : way === "code" ? "one-time-code" : "current-password";
    this.#next.required = isNew;
    this.#trouble.textContent = "";
    const isAccount = this.#account !== undefined;
    for (const option of this.#way.options) {
      option.hidden = option.value === "register" ? isAccount : option.value === "delete" && !isAccount;
    }
    this.#name.readOnly = way === "delete";
    if (way === "delete") this.#name.value = this.#account ?? "";
    this.#go.textContent = way === "delete" ? "Delete for good" : "Go";
  }

  #deed(): AccountDeed {
    const way = this.#way.value as Way;
    const name = this.#name.value.trim();
    const proof = this.#proof.value;
    if (way === "register" || way === "login") return { what: way, name, password: proof };
    if (way === "delete") return { what: "delete", by: "password", proof };
    return { what: "password", name, by: way, proof, newPassword: this.#next.value };
  }

  async #submit(): Promise<void> {
    this.#go.disabled = true;
    this.#trouble.textContent = "";
    try {
      const deed = this.#deed();
      const { name, user } = await this.client.account(deed);
      if (deed.what === "delete") {
        this.#account = undefined;
        this.#dialog.close();
        this.deleted();
        return;
      }
      this.changed(name, user);
      this.#account = name;
      this.#dialog.close();
    } catch (error) {
      this.#trouble.textContent = error instanceof AccountError ? error.message : String(error);
    } finally {
      this.#go.disabled = false;
    }
  }

  /** No password stays in the page. */
  #forget(): void {
    this.#proof.value = "";
    this.#next.value = "";
  }
}
