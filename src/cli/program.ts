import { Argument, Command, Option } from "commander";
import type { Operation } from "../operations/operation.ts";
import { operations } from "../operations/registry.ts";
import { type Flag, fieldsOf, parseFlag } from "./flags.ts";

export interface Invocation {
  readonly operation: Operation;
  readonly input: Readonly<Record<string, unknown>>;
  readonly json: boolean;
}

export interface ProgramOptions {
  readonly version: string;
  readonly onInvoke: (invocation: Invocation) => Promise<void>;
}

const groupSummaries: Readonly<Record<string, string>> = {
  env: "List, install, inspect and prune environments",
};

const journey = `
First steps:
  pyro doctor
  pyro prepare debian:12
  pyro run debian:12 -- git --version`;

/** Builds the command line from the operation table. */
export function buildProgram({ version, onInvoke }: ProgramOptions): Command {
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
    addOperation(parent, name, operation, onInvoke);
  }
  return program;
}

function subcommand(parent: Command, name: string): Command {
  const existing = parent.commands.find((command) => command.name() === name);
  return existing ?? parent.command(name).description(groupSummaries[name] ?? "");
}

function addOperation(parent: Command, name: string, operation: Operation, onInvoke: ProgramOptions["onInvoke"]): void {
  const { positionals, flags } = fieldsOf(operation);
  const command = parent.command(name).description(`${operation.summary}.`);
  for (const positional of positionals) command.addArgument(toArgument(positional));
  for (const flag of flags) command.addOption(toOption(flag));
  if (!operation.cli.jsonOnly) command.option("--json", "Print one JSON object");
  command.addHelpText("after", `\nExamples:\n${operation.cli.examples.map((line) => `  pyro ${line}`).join("\n")}`);
  command.action(async (...args: unknown[]) => {
    const typed = command.opts<Record<string, unknown>>();
    const input: Record<string, unknown> = {};
    for (const [index, { field }] of positionals.entries()) input[field] = args[index];
    for (const flag of flags) {
      const value = typed[optionKey(flag)];
      if (value !== undefined) input[flag.field] = parseFlag(flag, value);
    }
    for (const field of Object.keys(input)) if (input[field] === undefined) delete input[field];
    await onInvoke({ operation, input, json: operation.cli.jsonOnly === true || typed["json"] === true });
  });
}

function toArgument(flag: Flag): Argument {
  const label = flag.kind === "list" ? `${flag.field}...` : flag.field;
  return new Argument(flag.required ? `<${label}>` : `[${label}]`, explain(flag));
}

function toOption(flag: Flag): Option {
  const placeholder = flag.kind === "boolean" ? "" : flag.kind === "number" ? " <n>" : " <value>";
  return new Option(`${flag.name}${placeholder}`, explain(flag));
}

/** The schema applies the default, so that commander must not; it is only told. */
function explain({ kind, description, defaultValue }: Flag): string {
  return kind === "boolean" || defaultValue === undefined
    ? description
    : `${description} (default: ${String(defaultValue)})`;
}

/** The key under which commander keeps an option's value: its long name in camelCase. */
function optionKey(flag: Flag): string {
  return new Option(flag.name).attributeName();
}
