import { composeSandboxContext } from "../compose.ts";
import { type Client, createClient } from "./client.ts";

export interface PyroOptions {
  /** Stands in for the process's environment variables, such as PYRO_CACHE_DIR (docs/on-disk-layout.md) */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * All of pyro's operations as methods, each like the command of the same name. Holds no process and no file. For the main thread: a
 * machine ends with the thread that started it, so that one started in a Worker would not outlive that.
 */
export class Pyro implements Client {
  readonly demo: Client["demo"];
  readonly doctor: Client["doctor"];
  readonly env: Client["env"];
  readonly prepare: Client["prepare"];
  readonly run: Client["run"];

  constructor({ env = process.env }: PyroOptions = {}) {
    const client = createClient(composeSandboxContext(env));
    this.demo = client.demo;
    this.doctor = client.doctor;
    this.env = client.env;
    this.prepare = client.prepare;
    this.run = client.run;
  }
}
