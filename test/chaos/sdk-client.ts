import type * as Library from "../../src/index.ts";

/**
 * A process that uses the library: takes calls from its parent, several at once, and tells how each
 * ended. Started by clients.ts, which kills it in the middle of things.
 */
interface CallMessage {
  readonly id: number;
  readonly path: readonly string[];
  readonly input: unknown;
}

const { Pyro } = (await import(new URL("../../dist/index.js", import.meta.url).href)) as typeof Library;
const pyro = new Pyro();

process.on("message", ({ id, path, input }: CallMessage) => {
  let method: unknown = pyro;
  let owner: unknown;
  for (const name of path) {
    owner = method;
    method = (method as Record<string, unknown>)[name];
  }
  const work = (method as (input: unknown) => Promise<unknown>).call(owner, input);
  work.then(
    (value) => process.send?.({ id, ok: true, value }),
    (error: { code?: string; message?: string }) =>
      process.send?.({ id, ok: false, code: error.code ?? "none", message: error.message ?? String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
process.send?.({ ready: true });
