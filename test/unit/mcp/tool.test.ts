import { expect, test } from "vitest";
import { definitionOf, parseArguments, type Tool, toolName, toolsOf } from "../../../src/mcp/tool.ts";
import { operations } from "../../../src/operations/registry.ts";
import { modes, profiles, toolsetOf } from "../../../src/operations/toolsets.ts";

const toolsets = [...profiles.map((profile) => toolsetOf({ profile })), ...modes.map((mode) => toolsetOf({ mode }))];
const full = toolsOf(toolsetOf({ profile: "workspace-full" }));
const tool = (name: string, tools: readonly Tool[] = full): Tool => {
  const found = tools.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`there is no tool '${name}'`);
  return found;
};

/** For people: results of commands tell a model what was denied, and models publish no ports */
const forPeople = [
  "workspace.shell.list",
  "workspace.shell.resize",
  "workspace.shell.attach",
  "workspace.port.publish",
  "workspace.port.list",
  "workspace.port.close",
  "workspace.network",
];

test("every operation on workspaces and machines is a tool, but for those for people", () => {
  const names = new Set(full.map(({ name }) => name));
  const missing = operations
    .filter(({ name }) => /^(?:workspace|vm)\./.test(name))
    .filter((each) => !names.has(toolName(each)));
  expect(missing.map(({ name }) => name)).toEqual(forPeople);
});

test("the environment that a server's user has chosen is the default of what makes a machine", () => {
  const chosen = toolsOf(toolsetOf({ profile: "workspace-full" }), { environment: "debian:12-build" });
  for (const name of ["vm_run", "vm_create", "workspace_create"]) {
    expect(parseArguments(tool(name, chosen), name === "vm_run" ? { command: "true" } : {})).toMatchObject({
      environment: "debian:12-build",
    });
  }
  expect(() => parseArguments(tool("vm_create"), {})).toThrow(/environment/);
});

test("what a mode says of its tools, it says of tools that it has", () => {
  for (const { tools, purposes } of toolsets) expect(tools).toEqual(expect.arrayContaining(Object.keys(purposes)));
});

test("a toolset names only tools and arguments that exist", () => {
  for (const toolset of toolsets) {
    const tools = toolsOf(toolset);
    expect(tools.map(({ name }) => name)).toEqual(toolset.tools);
    for (const [name, hidden] of Object.entries(toolset.withoutArguments)) {
      expect(Object.keys(tool(name).operation.input.shape)).toEqual(expect.arrayContaining([...hidden]));
    }
    for (const name of toolset.eagerTools) expect(tool(name)).toBeDefined();
  }
  const wishful = { ...toolsetOf({ mode: "inspect" }), tools: ["workspace_fly"] };
  expect(() => toolsOf(wishful)).toThrow(/names tool 'workspace_fly', which does not exist/);
});

test("what a toolset hides has its default, and cannot be given", () => {
  const create = tool("workspace_create", toolsOf(toolsetOf({ mode: "inspect" })));
  expect(parseArguments(create, {})).toMatchObject({ environment: "debian:12" });
  expect(() => parseArguments(create, { network_policy: "egress" })).toThrow(/no argument 'network_policy'/);
});

test("schemas name fields as JSON does, and only modes and the core profile leave some out", () => {
  const schema = (each: Tool) => Object.keys(definitionOf(each).inputSchema["properties"] as object);
  expect(schema(tool("workspace_create"))).toContain("network_policy");
  for (const { tools } of toolsets) expect(tools.every((name) => /^[a-z]+(?:_[a-z]+)+$/.test(name))).toBe(true);
  for (const mode of modes) {
    const create = tool("workspace_create", toolsOf(toolsetOf({ mode })));
    expect(schema(create)).not.toContain("network_policy");
    expect(schema(create)).toContain("seed_path");
  }
});

test("no schema is more than a client's model can take: plain types, no references", () => {
  for (const each of full) {
    const { inputSchema, outputSchema } = definitionOf(each, { isEager: true });
    for (const schema of [inputSchema, outputSchema]) {
      expect(schema.type).toBe("object");
      expect(JSON.stringify(schema)).not.toMatch(/\$ref|\$defs|anyOf|allOf|propertyNames|9007199254740991/);
    }
    expect(inputSchema["additionalProperties"]).toBe(false);
  }
});

test.each([
  [{ profile: "workspace-full" }, 60_000],
  [{ mode: "review-eval" }, 24_000],
  [{ mode: "cold-start" }, 22_000],
] as const)("the tools of %j take little of a model's context", (choice, maxBytes) => {
  const definitions = toolsOf(toolsetOf(choice)).map((each) => definitionOf(each, { isEager: true }));
  expect(Buffer.byteLength(JSON.stringify({ tools: definitions }))).toBeLessThan(maxBytes);
});

test("secrets are in the whole set alone, and how people give them is in none", () => {
  const argumentsOf = (tools: readonly Tool[]) => tools.flatMap(({ offered }) => Object.keys(offered.shape));
  for (const toolset of toolsets) {
    const offered = argumentsOf(toolsOf(toolset)).filter((name) => /secret/i.test(name));
    const isWhole = toolset.name === "workspace-full";
    expect([toolset.name, [...new Set(offered)].toSorted()]).toEqual([
      toolset.name,
      isWhole ? ["secretEnv", "secrets"] : [],
    ]);
  }
});

test("arguments are checked before anything is done", () => {
  const exec = tool("workspace_exec");
  expect(parseArguments(exec, { workspace_id: "0a", command: "true", timeout_seconds: null })).toEqual({
    workspaceId: "0a",
    command: "true",
    cwd: "/workspace",
    env: {},
    secretEnv: {},
    timeoutSeconds: 120,
  });
  const refused = (given: unknown) => {
    try {
      parseArguments(exec, given);
    } catch (error) {
      return String(error);
    }
    return "";
  };
  expect(refused([])).toContain("must be an object");
  expect(refused({ workspace_id: "0a", command: "true", timeout: 3 })).toContain("no argument 'timeout'");
  expect(refused({ workspace_id: "0a", command: "true", workspaceId: "0a" })).toContain("no argument 'workspaceId'");
  expect(refused({ workspace_id: "0a", command: "true", timeout_seconds: "soon" })).toContain("timeout_seconds");
  expect(refused({ workspace_id: "0a", command: "true", __proto__: null, constructor: 1 })).toContain("constructor");
});
