import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main } from "../../../src/serve.ts";
import { pyro, pyroPath } from "../../helpers/cli.ts";
import { pyroInProcess } from "../../helpers/cli-in-process.ts";
import { eras, type McpOptions, McpSession } from "../../helpers/mcp.ts";
import { openMcpInProcess } from "../../helpers/mcp-in-process.ts";

/**
 * Written down here once more, on purpose: the contract's selections, as far as there are
 * operations for them
 */
const inspect = [
  ...["workspace_create", "workspace_list", "workspace_update", "workspace_status", "workspace_exec"],
  ...["workspace_logs", "workspace_summary", "workspace_file_list", "workspace_file_read"],
  ...["workspace_export", "workspace_delete"],
];
const reproFix = [
  ...inspect,
  ...["workspace_sync_push", "workspace_file_write", "workspace_file_edit", "workspace_patch_apply"],
  ...["workspace_diff", "workspace_reset", "snapshot_create", "snapshot_list"],
];
const services = ["service_start", "service_list", "service_status", "service_logs", "service_stop"];
const shells = ["shell_open", "shell_read", "shell_write", "shell_signal", "shell_close"];
const disk = ["workspace_disk_export", "workspace_disk_list", "workspace_disk_read"];
const snapshots = ["snapshot_create", "snapshot_list", "snapshot_delete"];
const selections: readonly [args: readonly string[], tools: readonly string[]][] = [
  [[], ["vm_run", ...reproFix]],
  [
    ["--profile", "workspace-core"],
    ["vm_run", ...reproFix],
  ],
  [["--profile", "vm-run"], ["vm_run"]],
  [
    ["--profile", "workspace-full"],
    [
      ...["vm_run", "vm_list_environments", "vm_create", "vm_start", "vm_exec", "vm_stop", "vm_delete", "vm_status"],
      ...["vm_network_info", "vm_reap_expired"],
      ...[...reproFix, "workspace_stop", "workspace_start", "snapshot_delete"],
      ...[...services, ...shells, ...disk],
    ],
  ],
  [["--mode", "repro-fix"], reproFix],
  [["--mode", "inspect"], inspect],
  [
    ["--mode", "cold-start"],
    [...inspect, "workspace_reset", ...services],
  ],
  [
    ["--mode", "review-eval"],
    [...inspect, "workspace_diff", "workspace_reset", ...snapshots, ...shells],
  ],
];

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro mcp "));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const inFolder = (options: McpOptions = {}): McpOptions => ({
  cwd: dir,
  env: { PYRO_STATE_DIR: join(dir, "state"), PYRO_CACHE_DIR: join(dir, "cache") },
  ...options,
});
const open = (options: McpOptions = {}) => openMcpInProcess(inFolder(options));
/** As clients start it */
const openProcess = (options: McpOptions = {}) => McpSession.open(inFolder(options));

describe.each(eras)("the server, to a client of the %s era", (era) => {
  test.each(selections)("offers with %j exactly the tools of the contract", async (args, tools) => {
    await using session = await open({ args: [...args], era });
    const { tools: offered } = await session.client.listTools();
    expect(offered.map(({ name }) => name).toSorted()).toEqual([...tools].toSorted());
    for (const { name, outputSchema, annotations, description } of offered) {
      expect(outputSchema?.["type"], name).toBe("object");
      const told = annotations?.["readOnlyHint"] ? ["openWorldHint", "readOnlyHint"] : hints;
      expect(Object.keys(annotations ?? {}).toSorted(), name).toEqual(told);
      expect(description?.length, name).toBeGreaterThan(20);
    }
  });

  test("says what it is for", async () => {
    await using session = await openProcess({ args: ["--mode", "repro-fix"], era });
    expect(session.client.getInstructions()).toContain("workspace_create");
    expect(session.client.getServerVersion()).toMatchObject({ name: "pyro" });
  });

  test("answers mistakes with what was wrong and what to do", async () => {
    await using session = await open({ args: ["--mode", "repro-fix"], era });
    const refusals = [
      ["workspace_status", { workspace_id: "0123456789ab" }, "(not_found)", "Call `workspace_list`"],
      [
        "workspace_exec",
        { workspace_id: "0123456789ab", cmd: "true" },
        "no argument 'cmd'",
        "command, cwd, env, timeout_seconds, kill_after_seconds",
      ],
      ["workspace_exec", { workspace_id: "0123456789ab" }, "command: it must be given", "Its arguments are"],
      [
        "workspace_exec",
        { workspace_id: "0123456789ab", command: ["true"] },
        "command: it must be text",
        "Its arguments are",
      ],
      ["workspace_create", { environment: "alpine" }, "unknown environment 'alpine'", "debian:12"],
      ["workspace_create", { network_policy: "egress" }, "no argument 'network_policy'", "environment"],
      ["vm_run", { environment: "debian:12", command: "true" }, "there is no such tool", "workspace_create"],
    ] as const;
    for (const [name, args, reason, advice] of refusals) {
      const { isError, text, structured } = await session.call(name, args);
      expect(isError, text).toBe(true);
      expect(structured, name).toBeUndefined();
      expect(text).toContain(reason);
      expect(text).toContain(advice);
      expect(text.length, text).toBeLessThan(700);
    }
  });

  test("takes null for what is left out", async () => {
    await using session = await open({ era });
    const { text } = await session.call("workspace_create", { environment: "alpine", name: null, seed_path: null });
    expect(text).toContain("unknown environment");
  });

  test("has a template for each resource, and says what is no resource", async () => {
    await using session = await open({ era });
    const { resourceTemplates } = await session.client.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(
      ["summary", "diff", "logs"].map((name) => `pyro://workspaces/{workspace_id}/${name}`),
    );
    expect((await session.client.listResources()).resources).toEqual([]);
    for (const uri of ["pyro://workspaces/0123456789ab/diff", "pyro://nothing", "file:///etc/passwd"]) {
      await expect(session.client.readResource({ uri })).rejects.toThrow(/there is no/);
    }
  });

  test("has prompts that take what they are given, and do without", async () => {
    await using session = await open({ args: ["--mode", "repro-fix"], era });
    const { prompts } = await session.client.listPrompts();
    expect(prompts.map(({ name }) => name)).toEqual(["repro-fix", "inspect", "parallel-work"]);
    for (const { name, arguments: args = [] } of prompts) {
      const given = Object.fromEntries(args.map((argument, index) => [argument.name, `$${index + 1}`]));
      const { messages } = await session.client.getPrompt({ name, arguments: given });
      for (const mark of Object.values(given)) expect(JSON.stringify(messages)).toContain(mark);
      await session.client.getPrompt({ name });
    }
    await expect(session.client.getPrompt({ name: "dance" })).rejects.toThrow(/no prompt 'dance'/);
  });
});

const hints = ["destructiveHint", "idempotentHint", "openWorldHint", "readOnlyHint"];

test("numbers and truth values may come as text", async () => {
  await using session = await open({ args: ["--mode", "repro-fix"] });
  const read = { workspace_id: "0123456789ab", path: "a", offset: "5", max_bytes: "10" };
  expect((await session.call("workspace_file_read", read)).text).toContain("(not_found)");
  const list = { workspace_id: "0123456789ab", recursive: "true" };
  expect((await session.call("workspace_file_list", list)).text).toContain("(not_found)");
  const wrong = await session.call("workspace_file_read", { ...read, offset: "five" });
  expect(wrong.text).toContain("offset: it must be a number");
});

test("what a mode offers is small", async () => {
  await using session = await open({ args: ["--mode", "repro-fix"] });
  const { tools } = await session.client.listTools();
  expect(JSON.stringify({ tools }).length).toBeLessThan(20_000);
});

test("what only reads, what destroys and what can be repeated is told truly", async () => {
  await using session = await open({ args: ["--profile", "workspace-full"] });
  const { tools } = await session.client.listTools();
  const having = (hint: string) =>
    tools
      .filter(({ annotations }) => (annotations as Record<string, boolean>)[hint])
      .map(({ name }) => name)
      .toSorted();
  expect(having("destructiveHint")).toEqual([
    ...["service_stop", "shell_close", "snapshot_delete", "vm_delete", "workspace_delete", "workspace_reset"],
  ]);
  expect(having("openWorldHint")).toEqual([]);
  expect(having("readOnlyHint")).toEqual([
    ...[
      "service_list",
      "service_logs",
      "service_status",
      "shell_read",
      "snapshot_list",
      "vm_list_environments",
      "vm_network_info",
      "vm_status",
      ...["workspace_disk_list", "workspace_disk_read", "workspace_file_list"],
    ],
    ...["workspace_file_read", "workspace_list", "workspace_logs", "workspace_status", "workspace_summary"],
  ]);
  expect(having("idempotentHint")).toEqual(expect.arrayContaining(["workspace_file_write", "workspace_update"]));
  expect(having("idempotentHint")).not.toEqual(expect.arrayContaining(["workspace_exec"]));
});

test.each([
  [["--mode", "repro-fix", "--profile", "vm-run"], "--mode"],
  [["--mode", "dance"], "repro-fix, inspect, cold-start, review-eval"],
  [["--profile", "dance"], "vm-run, workspace-core, workspace-full"],
  [["--project-path", ".", "--repo-url", "https://example.com/r.git"], "--project-path and --repo-url"],
  [["--repo-ref", "main"], "--repo-ref without --repo-url"],
  [["--no-project-source", "--project-path", "."], "--no-project-source"],
  [["--no-project-source", "--repo-url", "https://example.com/r.git"], "--no-project-source"],
  [["--project-path", "/nowhere/at all"], "/nowhere/at all"],
  [["--repo-url", " "], "it is no URL that git can clone"],
])("refuses %j before it serves a client", async (args, reason) => {
  const result = await pyroInProcess(["mcp", "serve", ...args], {}, (words, env) => main(words, env, dir));
  expect(result.stderr).toContain("[error] ");
  expect(result.stderr).toContain(reason);
  expect(result.stdout.toString()).toBe("");
  expect(result.exitCode).toBeGreaterThan(0);
});

test("refuses in a process of its own as in this one", async () => {
  const result = await pyro(["mcp", "serve", "--mode", "dance"]);
  expect(result.stderr).toMatch(/^\[error\] .*repro-fix/);
  expect(result.stdout.toString()).toBe("");
  expect(result.exitCode).toBe(2);
});

test("a call of 12 MB is answered, and the next one too", async () => {
  await using session = await openProcess();
  const text = '\u0000\n"'.repeat(1_000_000);
  const large = await session.call("workspace_file_write", { workspace_id: "0123456789ab", path: "large", text });
  expect(large.text).toContain("(not_found)");
  expect((await session.ok("workspace_list")).count).toBe(0);
});

test("a client that sends too much is disconnected, and told why", async () => {
  const child = spawn(process.execPath, [pyroPath, "mcp", "serve"], { cwd: dir, stdio: ["pipe", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  child.stdin.on("error", () => {
    // it does not read the rest
  });
  const exited = once(child, "exit");
  const piece = Buffer.alloc(8 * 1024 * 1024, "x");
  for (let sent = 0; sent < 48 && child.exitCode === null; sent += 8) child.stdin.write(piece);
  expect((await exited)[0]).toBe(0);
  expect(said).toMatch(/^\[mcp\] .*buffer/im);
});

test("a mode takes the default profile beside it", async () => {
  await using session = await open({ args: ["--mode", "inspect", "--profile", "workspace-core"] });
  expect((await session.client.listTools()).tools).toHaveLength(inspect.length);
});

test.each([
  ["closed input", (child: ReturnType<typeof spawn>) => child.stdin?.end()],
  ["SIGTERM", (child: ReturnType<typeof spawn>) => child.kill("SIGTERM")],
  ["SIGINT", (child: ReturnType<typeof spawn>) => child.kill("SIGINT")],
])("ends with %s, and has written nothing but the protocol", async (_, end) => {
  const child = spawn(process.execPath, [pyroPath, "mcp", "serve"], { cwd: dir });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => JSON.parse((await lines.next()).value ?? "null");
  const clientInfo = { name: "test", version: "1" };
  const send = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  send({ id: 1, method: "initialize", params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo } });
  expect((await answer()).id).toBe(1);
  send({ method: "notifications/initialized" });
  // A client may cancel what has long ended, or was never begun.
  send({ method: "notifications/cancelled", params: { requestId: 1 } });
  send({ method: "notifications/cancelled", params: { requestId: 77 } });
  child.stdin.write("this is no JSON\n");
  send({ id: 2, method: "tools/list", params: {} });
  expect((await answer()).id).toBe(2);
  const exited = once(child, "exit");
  end(child);
  await exited;
  expect((await lines.next()).done).toBe(true);
});
