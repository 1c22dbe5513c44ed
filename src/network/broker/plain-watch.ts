import type { Duplex } from "node:stream";
import { base64Cores } from "../../core/base64.ts";
import type { Joint } from "../joint.ts";
import type { Denial } from "../refuse.ts";
import type { Verdict } from "../use.ts";
import type { KnownSecret } from "./secret.ts";

interface Sought {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Looks for placeholders in what a guest sends without TLS, wherever the pieces end. */
export class PlainWatch {
  readonly #sought: readonly Sought[];
  readonly #overlap: number;
  #tail = Buffer.alloc(0);

  constructor(secrets: readonly KnownSecret[]) {
    this.#sought = secrets.flatMap(({ name, placeholder }) =>
      [placeholder, ...base64Cores(Buffer.from(placeholder, "latin1"))].map((form) => ({
        name,
        bytes: Buffer.from(form, "latin1"),
      })),
    );
    this.#overlap = Math.max(0, ...this.#sought.map(({ bytes }) => bytes.length - 1));
  }

  /** Name of the secret whose placeholder is in what was sent so far. */
  look(piece: Buffer): string | undefined {
    const bytes = Buffer.concat([this.#tail, piece]);
    this.#tail = Buffer.from(bytes.subarray(Math.max(0, bytes.length - this.#overlap)));
    return this.#sought.find((sought) => bytes.includes(sought.bytes))?.name;
  }
}

/** Looks at a piece of what a guest sends; undefined, or why it is denied. */
export type Watch = (piece: Buffer) => Denial | undefined;

interface Watched {
  readonly guest: Duplex;
  readonly joint: Joint;
  readonly watch: Watch;
}

/** Resets a connection as soon as something of it is denied, which is then its verdict. */
export function cutOnDenial({ guest, joint, watch }: Watched): { readonly denied: Verdict | undefined } {
  const end: { denied: Verdict | undefined } = { denied: undefined };
  guest.on("data", (piece: Buffer) => {
    const denial = end.denied === undefined ? watch(piece) : undefined;
    if (!denial) return;
    end.denied = { verdict: "denied", ...denial };
    joint.cut();
    guest.destroy();
  });
  return end;
}
