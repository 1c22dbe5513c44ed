import { type OperationCall, type SayCall, verb } from "../core/hint.ts";
import { snakeCase } from "../core/snake-case.ts";
import type { Operation } from "./operation.ts";
import { operations } from "./registry.ts";

/** A flag as users type it: `--mem-mib` for `memMib`. */
export function flagName(field: string): string {
  return `--${snakeCase(field).replaceAll("_", "-")}`;
}

/** A call as a user of the command line types it. */
export function commandLineOf({ operation: name, arguments: args }: OperationCall): string {
  const table: readonly Operation[] = operations;
  const positionals = table.find((operation) => operation.name === name)?.cli.positionals ?? [];
  const given = positionals.filter((field) => field in args).map((field) => String(args[field]));
  const flags = Object.entries(args).filter(([field]) => !positionals.includes(field));
  const words = flags.flatMap(([field, value]) => [flagName(field), ...(value === true ? [] : [String(value)])]);
  return ["pyro", ...name.split("."), ...given, ...words].join(" ");
}

/** A call in the terms of the command line. */
export const sayInCommandLine: SayCall = (call, isFirst) => {
  const code = `\`${commandLineOf(call)}\``;
  return call.as === "name" ? code : `${verb("Run", isFirst)} ${code}`;
};
