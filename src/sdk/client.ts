import type * as z from "zod";
import { invoke, type LiveStreams, type Operation, type OperationContext } from "../operations/operation.ts";
import { operations } from "../operations/registry.ts";

/** Options of a single call. */
export interface CallOptions {
  /** Cancels the call; what it started in a guest is killed */
  readonly signal?: AbortSignal;
  /** Told what a first use installs and builds */
  readonly onProgress?: OperationContext["onProgress"];
  /** Takes a guest command's output as it comes; the result then has none */
  readonly streams?: LiveStreams;
}

type AnyOperation = (typeof operations)[number];
type Input<O extends AnyOperation> = z.input<O["input"]>;
type Output<O extends AnyOperation> = z.output<O["output"]>;

/** An operation as a method: its input may be left out when every field of it may be. */
type Method<O extends AnyOperation> =
  Record<string, never> extends Input<O>
    ? (input?: Input<O>, options?: CallOptions) => Promise<Output<O>>
    : (input: Input<O>, options?: CallOptions) => Promise<Output<O>>;

type Named<N extends string> = Extract<AnyOperation, { readonly name: N }>;
type TopLevelName = Exclude<AnyOperation["name"], `${string}.${string}`>;
type GroupName = AnyOperation["name"] extends infer N ? (N extends `${infer G}.${string}` ? G : never) : never;
type MemberName<G extends string> = AnyOperation["name"] extends infer N
  ? N extends `${G}.${infer M}`
    ? M
    : never
  : never;

/** Every operation of the table as a method: `env.list` is `client.env.list()`. */
export type Client = { readonly [N in TopLevelName]: Method<Named<N>> } & {
  readonly [G in GroupName]: { readonly [M in MemberName<G>]: Method<Named<`${G}.${M}`>> };
};

/** Makes the client from the operation table. */
export function createClient(sandbox: OperationContext["sandbox"]): Client {
  const client: Record<string, unknown> = {};
  const table: readonly Operation[] = operations;
  for (const operation of table) {
    const [first = "", second] = operation.name.split(".");
    const method = toMethod(sandbox, operation);
    if (second === undefined) client[first] = method;
    else client[first] = { ...(client[first] as object), [second]: method };
  }
  // The types above say of the same table what the loop does.
  return client as Client;
}

function toMethod(sandbox: OperationContext["sandbox"], operation: Operation) {
  return (input: object = {}, { signal, onProgress, streams }: CallOptions = {}) =>
    invoke(operation, { sandbox, signal, onProgress, liveStreams: streams, nameField: (field) => field }, input);
}
