import { Argument, Command, Option } from "commander";
import { PyroError } from "../core/errors.ts";
import { flagName } from "../operations/command-line.ts";
import type { Operation } from "../operations/operation.ts";
import { operations } from "../operations/registry.ts";
import { type Flag, fieldsOf, parseFlag } from "./flags.ts";
import { addMcpCommand, type McpFlags } from "./mcp-command.ts";
import { readTextFile } from "./text-file.ts";

export interface Invocation {
  readonly operation: Operation;
  readonly input: Readonly<Record<string, unknown>>;
  readonly json: boolean;
  /** Whether to print only the part of the result that the operation has a flag for */
  readonly partOnly: boolean;
}

export interface ProgramOptions {
  readonly version: string;
  readonly onInvoke: (invocation: Invocation) => Promise<void>;
  readonly onServe: (flags: McpFlags) => Promise<void>;
  /** Ends the wait for a text that a flag names */
  readonly signal?: AbortSignal | undefined;
}

const groupSummaries: Readonly<Record<string, string>> = {
  env: "List, install, inspect and prune environments",
  workspace: "Create, use, compare, reset and delete workspaces",
  file: "List, read and write files of a workspace",
  network: "What guests can be allowed to reach",
  port: "Publish ports of a workspace on this host",
  service: "Start, watch and stop long-running programs of a workspace",
  shell: "Open, read, type into and close shells of a workspace",
  patch: "Apply patches to a workspace",
  snapshot: "Keep states of a workspace to reset to",
  sync: "Copy files of this host into a workspace",
};

const journey = `
First steps:
  pyro doctor
  pyro prepare debian:12
  pyro run debian:12 -- git --version`;

/** Builds the command line from the operation table. */
export function buildProgram({ version, onInvoke, onServe, signal }: ProgramOptions): Command {
  const program = new Command("pyro")
    .description("Disposable virtual-machine workspaces for coding agents.")
    .version(version, "--version", "Print the version")
    .enablePositionalOptions()
    .helpCommand("help [command]", "Show help for a command")
    .addHelpText("after", journey);
  const table: readonly Operation[] = operations;
  for (const operation of table) {
    const words = operation.name.split(".");
    const name = words.pop() ?? "";
    const parent = words.reduce(subcommand, program);
    addOperation(parent, name, operation, { onInvoke, signal });
  }
  addMcpCommand(program, onServe);
  return program;
}

function subcommand(parent: Command, name: string): Command {
  const existing = parent.commands.find((command) => command.name() === name);
  return existing ?? parent.command(name).description(groupSummaries[name] ?? "");
}

function addOperation(
  parent: Command,
  name: string,
  operation: Operation,
  { onInvoke, signal }: Pick<ProgramOptions, "onInvoke" | "signal">,
): void {
  const { positionals, flags } = fieldsOf(operation);
  const command = parent.command(name).description(`${operation.summary}.`);
  for (const positional of positionals) command.addArgument(toArgument(positional));
  for (const flag of flags) command.addOption(toOption(flag));
  const { part, jsonOnly, fileFlags = {} } = operation.cli;
  for (const { flag, description } of Object.values(fileFlags)) command.option(`--${flag} <path>`, description);
  if (part) command.option(`--${part.flag}`, part.description);
  if (!jsonOnly) command.option("--json", "Print one JSON object");
  command.addHelpText("after", `\nExamples:\n${operation.cli.examples.map((line) => `  pyro ${line}`).join("\n")}`);
  command.action(async (...args: unknown[]) => {
    const typed = command.opts<Record<string, unknown>>();
    const input: Record<string, unknown> = {};
    for (const [index, positional] of positionals.entries()) {
      input[positional.field] = parseFlag({ ...positional, name: positional.field }, args[index]);
    }
    for (const flag of flags) {
      const value = typed[optionKey(flag.name)];
      if (value !== undefined) input[flag.field] = parseFlag(flag, value);
    }
    for (const field of Object.keys(input)) if (input[field] === undefined) delete input[field];
    Object.assign(input, await readFileFlags(fileFlags, typed, input, signal));
    const partOnly = part !== undefined && typed[optionKey(`--${part.flag}`)] === true;
    await onInvoke({ operation, input, json: jsonOnly === true || typed["json"] === true, partOnly });
  });
}

function toArgument(flag: Flag): Argument {
  const label = flag.kind === "list" ? `${flag.field}...` : flag.field;
  return new Argument(flag.required ? `<${label}>` : `[${label}]`, explain(flag));
}

function toOption(flag: Flag): Option {
  const placeholder = { boolean: "", number: " <n>", string: " <value>", list: " <value>", record: " <key=value>" };
  const option = new Option(`${flag.name}${placeholder[flag.kind]}`, explain(flag));
  if (flag.kind !== "list" && flag.kind !== "record") return option;
  return option.argParser((value: string, previous: string[] | undefined) => [...(previous ?? []), value]);
}

/** The schema applies the default. Commander only shows it. */
function explain({ kind, description, defaultValue }: Flag): string {
  return kind === "boolean" || defaultValue === undefined || typeof defaultValue === "object"
    ? description
    : `${description} (default: ${String(defaultValue)})`;
}

/** The key under which commander keeps an option's value: its long name in camelCase. */
function optionKey(name: string): string {
  return new Option(name).attributeName();
}

/** Fields whose text comes from a file that the user named. */
async function readFileFlags(
  fileFlags: NonNullable<Operation["cli"]["fileFlags"]>,
  typed: Readonly<Record<string, unknown>>,
  input: Readonly<Record<string, unknown>>,
  signal: AbortSignal | undefined,
): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const [field, fileFlag] of Object.entries(fileFlags)) {
    const { flag } = fileFlag;
    const path = typed[optionKey(`--${flag}`)];
    if (typeof path !== "string") continue;
    if (input[field] !== undefined) {
      throw new PyroError("invalid_argument", `cannot use both ${flagName(field)} and --${flag}`);
    }
    texts[field] = await readTextFile(fileFlag, path, { signal });
  }
  return texts;
}
