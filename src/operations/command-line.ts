import { libraryCall, type OperationCall, type SayCall, sayInLibrary, verb } from "../core/hint.ts";
import { snakeCase } from "../core/snake-case.ts";
import type { Operation } from "./operation.ts";
import { operations } from "./registry.ts";

/** An operation that the command line has. */
export type CommandOperation = Operation & Required<Pick<Operation, "cli">>;

const table: readonly Operation[] = operations;
export const commands = table.filter((operation): operation is CommandOperation => operation.cli !== undefined);

/** A flag as users type it: `--mem-mib` for `memMib`. */
export function flagName(field: string): string {
  return `--${snakeCase(field).replaceAll("_", "-")}`;
}

/** A call as a user types it or, if it is no command, as the library makes it. */
export function commandLineOf(call: OperationCall): string {
  const { operation: name, arguments: args } = call;
  const command = commands.find((operation) => operation.name === name);
  if (!command) return libraryCall(call);
  const { positionals = [] } = command.cli;
  const given = positionals.filter((field) => field in args).map((field) => String(args[field]));
  const flags = Object.entries(args).filter(([field]) => !positionals.includes(field));
  const words = flags.flatMap(([field, value]) => [flagName(field), ...(value === true ? [] : [String(value)])]);
  return ["pyro", ...name.split("."), ...given, ...words].join(" ");
}

/** A call in the terms of the command line. */
export const sayInCommandLine: SayCall = (call, isFirst) => {
  if (!commands.some(({ name }) => name === call.operation)) return sayInLibrary(call, isFirst);
  const code = `\`${commandLineOf(call)}\``;
  return call.as === "name" ? code : `${verb("Run", isFirst)} ${code}`;
};
