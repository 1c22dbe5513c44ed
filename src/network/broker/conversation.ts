import { hostAndPort } from "../host-port.ts";
import { belongsTo } from "../server-name/name.ts";
import type { Echoes } from "./echoes.ts";
import { type Field, type FilledIn, fillIn, type RequestHead } from "./fill-in.ts";
import type { KnownSecret, Place } from "./secret.ts";

/** What is told of a connection while it is open. */
export interface BrokerEvents {
  /** A value was put into a request */
  onUse(secretName: string): void;
  /** A request was denied */
  onDenial(rule: string): void;
}

/** A request that does not go to the server, and the answer that it gets. */
export interface Refusal {
  readonly status: 400 | 403 | 501 | 502;
  readonly reason: string;
}

export type Admission = FilledIn | Refusal;

interface ConversationOptions {
  readonly place: Place;
  readonly secrets: readonly KnownSecret[];
  /** What was put in for this guest so far, on other connections too */
  readonly echoes: Echoes;
  readonly events: BrokerEvents;
  /** Why the server cannot be asked; undefined if it can */
  readonly failure?: string | undefined;
}

const maxReasonLength = 200;

/** One connection of a guest with a host that a secret names, whichever protocol it speaks. */
export class Conversation {
  readonly #options: ConversationOptions;
  #requestCount = 0;

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  get requestCount(): number {
    return this.#requestCount;
  }

  get echoes(): Echoes {
    return this.#options.echoes;
  }

  /**
   * Decides whether a request goes to the server, and puts values in. `authorities` are the hosts
   * that it names itself.
   */
  async admit(head: RequestHead, authorities: readonly string[]): Promise<Admission> {
    const { place, secrets, echoes, events, failure } = this.#options;
    this.#requestCount += 1;
    const mismatch = mismatchOf(authorities, place);
    if (mismatch !== undefined) return this.deny(mismatch);
    if (failure !== undefined) return { status: 502, reason: failure };
    const filled = await fillIn(head, secrets, place);
    if ("denial" in filled) return this.deny(filled.denial);
    if ("failure" in filled) return { status: 502, reason: filled.failure };
    echoes.add(filled.echoes);
    for (const name of filled.used) events.onUse(name);
    return filled;
  }

  deny(rule: string): Refusal {
    this.#options.events.onDenial(rule);
    return { status: 403, reason: rule };
  }

  /** A whole answer in the place of the server's. */
  answerTo({ status, reason }: Refusal): { readonly fields: readonly Field[]; readonly body: Buffer } {
    const { host, port } = this.#options.place;
    const shown = this.echoes.shown(reason).replace(/[^\x20-\x7e]/g, "?");
    const isDenied = status === 403;
    const what = isDenied ? "denied the request to" : "could not pass on the request to";
    const body = Buffer.from(`pyro ${what} ${hostAndPort(host, port)}: ${shown}\n`);
    const fields: Field[] = [
      ["content-type", "text/plain; charset=utf-8"],
      ["content-length", String(body.length)],
      ["cache-control", "no-store"],
      [isDenied ? "pyro-denied" : "pyro-failed", shown.slice(0, maxReasonLength)],
    ];
    return { fields, body };
  }
}

/** Why a request is not for the host that its connection is for. */
function mismatchOf(authorities: readonly string[], { host, port }: Place): string | undefined {
  const [first] = authorities;
  if (first === undefined) return "the request names no host";
  const isSame = (authority: string) => {
    const [, given = ""] = /:(\d*)$/.exec(authority) ?? [];
    return belongsTo(authority, host) && (given === "" || Number(given) === port);
  };
  const other = authorities.find((authority) => !isSame(authority));
  if (other === undefined) return authorities.length === 1 ? undefined : "the request names its host twice";
  return `the connection is for ${host}, and the request for '${other.slice(0, maxReasonLength)}'`;
}
