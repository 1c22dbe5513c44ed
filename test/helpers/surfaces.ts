import { fieldsOf } from "../../src/cli/flags.ts";
import { PyroError } from "../../src/core/errors.ts";
import { toWire } from "../../src/core/wire-case.ts";
import { Pyro } from "../../src/index.ts";
import type { Operation } from "../../src/operations/operation.ts";
import { operations } from "../../src/operations/registry.ts";
import { type CliOptions, type CliResult, pyro } from "./cli.ts";

// biome-ignore lint/suspicious/noExplicitAny: what JSON holds; tests say what they expect of it
export type Json = any;
type Input = Readonly<Record<string, unknown>>;

/** One of the ways to everything that pyro can do; the same input gives the same output on each. */
export interface Surface {
  readonly name: string;
  /** Runs an operation by its dotted name; the output is what JSON has of it */
  call(operation: string, input?: Input): Promise<Json>;
  /** What an operation is refused with; fails when it is not */
  refusal(operation: string, input?: Input): Promise<Refusal>;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

type RunCommandLine = (args: readonly string[], options: CliOptions) => Promise<CliResult>;

/** `runWords` runs the command line: in a process of its own, or in this one. */
export function cliSurface(env: Readonly<Record<string, string>>, runWords: RunCommandLine = pyro): Surface {
  const run = (name: string, input: Input) => runWords(wordsOf(name, input), { env });
  return {
    name: "the command line",
    async call(name, input = {}) {
      const result = await run(name, input);
      const output: Json = result.json();
      if (output.ok === false) throw new Error(`${name}: ${JSON.stringify(output.error)}`);
      return output;
    },
    async refusal(name, input = {}) {
      const result = await run(name, input);
      const { ok, error }: Json = result.json();
      if (ok !== false) throw new Error(`${name} was not refused: ${result.stdout}`);
      return error;
    },
  };
}

export function sdkSurface(env: Readonly<Record<string, string | undefined>>): Surface {
  return {
    name: "the library",
    async call(name, input = {}) {
      // Made anew, because the environment may have changed, as for every command.
      const library = new Pyro({ env: { ...process.env, ...env } });
      const method = name.split(".").reduce((group: Json, word) => group[word], library);
      return toWire(operationNamed(name).output, await method(input));
    },
    async refusal(name, input) {
      try {
        await this.call(name, input);
      } catch (error) {
        if (error instanceof PyroError) return error.toJSON();
        throw error;
      }
      throw new Error(`${name} was not refused`);
    },
  };
}

/** An operation with its input as a user would type it. */
function wordsOf(name: string, input: Input): string[] {
  const { positionals, flags } = fieldsOf(operationNamed(name));
  const words = name.split(".");
  for (const { field, kind } of positionals) {
    const value = input[field];
    // A text for the guest's shell is for callers that have no words.
    if (kind === "list")
      words.push("--json", "--", ...(Array.isArray(value) ? value.map(String) : ["sh", "-c", `${value}`]));
    else if (value !== undefined) words.push(String(value));
  }
  const options = flags.flatMap(({ field, name: flag, kind }) => {
    const value = input[field];
    if (value === undefined) return [];
    // A flag such as --no-newline takes back what is the default.
    if (kind === "boolean") return value === flag.startsWith("--no-") ? [] : [flag];
    if (kind === "list") return (value as string[]).map((item) => `${flag}=${item}`);
    if (kind === "record") return Object.entries(value as object).map(([key, item]) => `${flag}=${key}=${item}`);
    return [`${flag}=${value}`];
  });
  const ownCount = words.indexOf("--json");
  if (ownCount === -1) return [...words, ...options, "--json"];
  return [...words.slice(0, ownCount), ...options, ...words.slice(ownCount)];
}

export function operationNamed(name: string): Operation {
  const table: readonly Operation[] = operations;
  const found = table.find((operation) => operation.name === name);
  if (!found) throw new Error(`there is no operation '${name}'`);
  return found;
}
