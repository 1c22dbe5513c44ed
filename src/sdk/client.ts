import type * as z from "zod";
import { invoke, type LiveStreams, type Operation, type OperationContext } from "../operations/operation.ts";
import { operations } from "../operations/registry.ts";

/** Options of a single call. */
export interface CallOptions {
  /** Cancels the call and kills what it has started in a guest */
  readonly signal?: AbortSignal;
  /** Called with what a first use installs and builds */
  readonly onProgress?: OperationContext["onProgress"];
  /** Gets a guest command's output as it comes. The result then has none */
  readonly streams?: LiveStreams;
}

type AnyOperation = (typeof operations)[number];
type Input<O extends AnyOperation> = z.input<O["input"]>;
type Output<O extends AnyOperation> = z.output<O["output"]>;

/** An operation as a method. Its input is optional if all its fields are. */
type Method<O extends AnyOperation> =
  Record<string, never> extends Input<O>
    ? (input?: Input<O>, options?: CallOptions) => Promise<Output<O>>
    : (input: Input<O>, options?: CallOptions) => Promise<Output<O>>;

type Named<N extends string> = Extract<AnyOperation, { readonly name: N }>;

/** The rest of the names that begin with a prefix: `list`, `pull` … after `env.`. */
type After<P extends string> = AnyOperation["name"] extends infer N ? (N extends `${P}${infer R}` ? R : never) : never;
type WordAfter<P extends string> = After<P> extends infer R ? (R extends `${infer W}.${string}` ? W : R) : never;

type Group<P extends string> = {
  readonly [W in WordAfter<P> & string]: `${P}${W}` extends AnyOperation["name"]
    ? Method<Named<`${P}${W}`>>
    : Group<`${P}${W}.`>;
};

/** Every operation of the table as a method: `env.list` is `client.env.list()`. */
export type Client = Group<"">;

/** Makes the client from the operation table. */
export function createClient(engine: OperationContext["engine"]): Client {
  const client: MethodTree = {};
  const table: readonly Operation[] = operations;
  for (const operation of table) {
    const words = operation.name.split(".");
    const last = words.pop() ?? "";
    const group = words.reduce(subgroup, client);
    group[last] = toMethod(engine, operation);
  }
  // The types above describe the same table as the loop.
  return client as Client;
}

interface MethodTree {
  [word: string]: ReturnType<typeof toMethod> | MethodTree;
}

function subgroup(group: MethodTree, word: string): MethodTree {
  const existing = group[word];
  if (typeof existing === "object") return existing;
  const made: MethodTree = {};
  group[word] = made;
  return made;
}

function toMethod(engine: OperationContext["engine"], operation: Operation) {
  return (input: object = {}, { signal, onProgress, streams }: CallOptions = {}) =>
    invoke(operation, { engine, signal, onProgress, liveStreams: streams, nameField: (field) => field }, input);
}
