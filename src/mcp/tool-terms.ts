import { type OperationCall, type SayCall, verb } from "../core/hint.ts";
import { snakeCase } from "../core/snake-case.ts";
import { commandLineOf } from "../operations/command-line.ts";
import type { Tool } from "./tool.ts";

/** A call in the terms of tools. If a model lacks the tool, its user can run the command. */
export function sayWithTools(tools: readonly Tool[]): SayCall {
  return (call, isFirst) => {
    const tool = tools.find(({ operation }) => operation.name === call.operation);
    const code = `\`${tool ? toolCall(tool, call) : commandLineOf(call)}\``;
    if (call.as === "name") return code;
    return `${verb(tool ? "Call" : "Ask the user to run", isFirst)} ${code}`;
  };
}

/** `workspace_start(workspace_id="0a1b")` */
function toolCall({ name }: Tool, { arguments: given }: OperationCall): string {
  const args = Object.entries(given).map(([field, value]) => `${snakeCase(field)}=${JSON.stringify(value)}`);
  return args.length === 0 ? name : `${name}(${args.join(", ")})`;
}
