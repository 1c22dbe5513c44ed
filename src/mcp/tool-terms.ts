import { snakeCase } from "../core/snake-case.ts";
import type { Operation } from "../operations/operation.ts";
import { operations } from "../operations/registry.ts";
import type { Tool } from "./tool.ts";

/** Says what a message says of commands in terms of tools, for whoever has no terminal. */
export function inToolTerms(text: string, tools: readonly Tool[]): string {
  return text.replace(/(?:\b(Run|run) )?`pyro ([^`]+)`/g, (whole, run: string | undefined, command: string) => {
    const call = toolCall(command.split(" "), tools);
    if (call !== undefined) return `${run === undefined ? "" : run === "Run" ? "Call " : "call "}\`${call}\``;
    return run === undefined ? whole : `${run === "Run" ? "Ask" : "ask"} the user to run \`pyro ${command}\``;
  });
}

/** `workspace start 0a1b` as `workspace_start(workspace_id="0a1b")`, if there is such a tool. */
function toolCall(words: readonly string[], tools: readonly Tool[]): string | undefined {
  const table: readonly Operation[] = operations;
  const operation = table
    .filter(({ name }) => name.split(".").every((word, index) => words[index] === word))
    .toSorted((a, b) => b.name.length - a.name.length)[0];
  const tool = tools.find((candidate) => candidate.operation === operation);
  if (!operation || !tool) return undefined;
  const args = argumentsOf(operation, words.slice(operation.name.split(".").length));
  return args.length === 0 ? tool.name : `${tool.name}(${args.join(", ")})`;
}

function argumentsOf({ cli }: Operation, words: readonly string[]): readonly string[] {
  const positionals = [...(cli.positionals ?? [])];
  const args: string[] = [];
  let flag: string | undefined;
  for (const word of words) {
    if (word.startsWith("--")) {
      flag = word.slice(2).replaceAll("-", "_");
      continue;
    }
    const name = flag ?? snakeCase(positionals.shift() ?? "");
    if (name !== "") args.push(`${name}=${JSON.stringify(word)}`);
    flag = undefined;
  }
  return args;
}
