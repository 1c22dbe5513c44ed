import { instructionsFor } from "../src/mcp/instructions.ts";
import { promptsFor } from "../src/mcp/prompts.ts";
import { resourceTemplates } from "../src/mcp/resources.ts";
import { definitionOf, type Tool, toolsOf } from "../src/mcp/tool.ts";
import { modes, profiles, type Toolset, toolsetOf } from "../src/operations/toolsets.ts";
import { fieldTable, type JsonSchema, typeOf } from "./schema-table.ts";

const toolsets = [...profiles.map((profile) => toolsetOf({ profile })), ...modes.map((mode) => toolsetOf({ mode }))];

/** docs/reference/mcp.md: what `pyro mcp serve` offers in each profile and mode. */
export function mcpReference(notice: string): string {
  const all = toolsOf(toolsetOf({ profile: "workspace-full" }));
  const sections = [
    "# MCP tools",
    notice,
    introduction,
    "## Who is offered what",
    selectionTable(all),
    "In modes, and in `workspace-core`, `workspace_create` has no `network_policy`.",
    "## What modes say first",
    purposeTable(),
    "## Instructions",
    `> ${instructionsFor(toolsetOf({}))}`,
    ...all.map((tool) => toolSection(tool, all)),
    "## Prompts",
    table(["prompt", "argument", "what for"], promptsFor(all).map(promptRow)),
    "## Resources",
    table(
      ["resource", "type", "content"],
      resourceTemplates().map(({ uriTemplate, mimeType, description }) => [code(uriTemplate), mimeType, description]),
    ),
  ];
  return `${sections.join("\n\n")}\n`;
}

const introduction = `Results have the fields of the command with \`--json\` ([command line](cli.md)), as \`structuredContent\` and laid out as text. What would be
too long for the client is shortened, and says so and how to get the rest. A failure is \`isError\` with a text that names the [code](errors.md), the reason and what to do.`;

function selectionTable(all: readonly Tool[]): string {
  const rows = all.map(({ name }) => [
    `[${name}](#${name})`,
    ...toolsets.map(({ tools }) => (tools.includes(name) ? "x" : "")),
  ]);
  return table(["tool", ...toolsets.map(({ name }) => name)], rows);
}

function purposeTable(): string {
  const rows = toolsets.flatMap(({ name, purposes }: Toolset) =>
    Object.entries(purposes).map(([tool, purpose]) => [name, code(tool), purpose]),
  );
  return table(["mode", "tool", "begins with"], rows);
}

function toolSection(tool: Tool, all: readonly Tool[]): string {
  const { name, description, inputSchema, annotations } = definitionOf(tool);
  const { properties = {}, required = [] } = inputSchema as JsonSchema;
  const rows = Object.entries(properties).map(([argument, schema]) => [
    code(argument),
    typeOf(schema),
    required.includes(argument) ? "required" : schema.default === undefined ? "" : code(JSON.stringify(schema.default)),
    schema.description ?? "",
  ]);
  const hints = Object.entries(annotations).flatMap(([hint, holds]) => (holds ? [code(hint)] : []));
  const parts = [
    `## ${name}`,
    description,
    rows.length === 0 ? "No arguments." : table(["argument", "type", "default", "meaning"], rows),
    `Annotations: ${hints.join(", ") || "none of the hints holds"}. ${resultOf(tool, all)}`,
  ];
  return parts.join("\n\n");
}

/** The fields of a result, unless another part of the reference has them. */
function resultOf({ name, operation }: Tool, all: readonly Tool[]): string {
  const { cli, output } = operation;
  if (cli) return `Result: as \`pyro ${operation.name.replaceAll(".", " ")} --json\`.`;
  const first = all.find((tool) => tool.operation.output === output)?.name ?? name;
  const inLibrary = `\`pyro.${operation.name}\` of the library is the same.`;
  if (first !== name) return `${inLibrary} Result: as of [${first}](#${first}).`;
  return `${inLibrary} Fields of its result:\n\n${fieldTable(output)}`;
}

function promptRow({ name, argument, description }: ReturnType<typeof promptsFor>[number]): readonly string[] {
  return [code(name), `${code(argument.name)}: ${argument.description}`, description];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}
