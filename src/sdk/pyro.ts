import { composeSandboxContext } from "../compose.ts";
import { type Client, createClient } from "./client.ts";

export interface PyroOptions {
  /** Stands in for the process's environment variables, such as PYRO_CACHE_DIR (docs/on-disk-layout.md) */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** All of pyro's operations as methods, each like the command of the same name. Holds no process and no file. */
export const Pyro = class {
  constructor({ env = process.env }: PyroOptions = {}) {
    Object.assign(this, createClient(composeSandboxContext(env)));
  }
} as new (
  options?: PyroOptions,
) => Pyro;
export type Pyro = Client;
