/**
 * What twenty tasks cost a model: `make bench-tasks`. Each is done by a script of calls, in a
 * client that shows structured results and in one that shows text. `--server PATH` measures another
 * build, and `--save` writes the figures that later runs are compared with.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type ClientName, type Cost, ScriptedModel } from "./model.ts";
import { makeDependencies, makeProject } from "./project.ts";
import { tasks } from "./tasks.ts";

type Costs = Readonly<Record<string, Cost>>;
type Report = Readonly<Record<ClientName, Costs>>;

const clientNames: readonly ClientName[] = ["claude-code", "opencode"];
/** Limit for the bytes of all tasks, relative to what they cost before */
const maxRatio = 0.7;
const beforePath = fileURLToPath(new URL("before.json", import.meta.url));

const { values } = parseArgs({
  options: {
    server: { type: "string", default: fileURLToPath(new URL("../../bin/pyro.js", import.meta.url)) },
    save: { type: "boolean", default: false },
  },
});

const dir = await mkdtemp(join(tmpdir(), "pyro-tasks-"));
try {
  const measured = { "claude-code": await measure("claude-code"), opencode: await measure("opencode") };
  if (values.save) writeFileSync(beforePath, `${JSON.stringify(measured, null, 2)}\n`);
  print(JSON.parse(readFileSync(beforePath, "utf8")) as Report, measured);
} finally {
  await rm(dir, { recursive: true, force: true });
}

async function measure(clientName: ClientName): Promise<Costs> {
  const base = join(dir, clientName);
  const desk = { outDir: join(base, "out"), dependenciesDir: join(base, "deps"), projectDir: join(base, "orders") };
  mkdirSync(desk.outDir, { recursive: true });
  makeProject(desk.projectDir);
  makeDependencies(desk.dependenciesDir);
  const env = { ...process.env, PYRO_STATE_DIR: join(base, "state") };
  const args = [values.server, "mcp", "serve", "--mode", "repro-fix", "--project-path", desk.projectDir];
  await using model = await ScriptedModel.connect(clientName, args, env);
  console.log(`${clientName}: tools and instructions ${model.offerBytes} bytes`);
  const costs: Record<string, Cost> = {};
  for (const { name, run } of tasks) {
    model.cost = { calls: 0, writtenBytes: 0, shownBytes: 0, deadEnds: 0 };
    await run({ ...desk, model });
    costs[name] = { ...model.cost };
    await tidy(model);
  }
  return costs;
}

/** Deletes what a task has left; that is not part of it. A task may have deleted it itself. */
async function tidy(model: ScriptedModel): Promise<void> {
  for (const id of model.created) await model.call("workspace_delete", { workspace_id: id });
  model.created.clear();
}

function print(before: Report, after: Report): void {
  for (const client of clientNames) {
    const [old, now] = [before[client], after[client]];
    console.log(`\n${client.padEnd(52)}${"calls".padStart(12)}${"dead ends".padStart(12)}${"bytes".padStart(18)}`);
    for (const { name, isClumsy, fewestCalls } of tasks) {
      const [was, is] = [old[name], now[name]];
      if (!was || !is) continue;
      const calls = `${was.calls} → ${is.calls} (${fewestCalls})`;
      const cells = [calls.padStart(14), `${was.deadEnds} → ${is.deadEnds}`.padStart(10)];
      console.log(`${(isClumsy ? `${name} *` : name).padEnd(50)}${cells.join("")}${bytesOf(was, is).padStart(20)}`);
      if (is.calls > fewestCalls) console.log(`  more calls than a careful engineer needs`);
    }
    const [was, is] = [sum(old), sum(now)];
    const ratio = (is.writtenBytes + is.shownBytes) / (was.writtenBytes + was.shownBytes);
    const total = `${was.calls} → ${is.calls} calls, ${was.deadEnds} → ${is.deadEnds} dead ends, ${bytesOf(was, is)} bytes`;
    console.log(`all: ${total}, ${ratio.toFixed(2)} of before (limit ${maxRatio})`);
  }
  console.log("\n* begins clumsily, as models do; in brackets the calls of a careful engineer");
}

function bytesOf(was: Cost, is: Cost): string {
  return `${was.writtenBytes + was.shownBytes} → ${is.writtenBytes + is.shownBytes}`;
}

function sum(costs: Costs): Cost {
  const total: Cost = { calls: 0, writtenBytes: 0, shownBytes: 0, deadEnds: 0 };
  for (const { name } of tasks) {
    const cost = costs[name];
    if (!cost) continue;
    total.calls += cost.calls;
    total.writtenBytes += cost.writtenBytes;
    total.shownBytes += cost.shownBytes;
    total.deadEnds += cost.deadEnds;
  }
  return total;
}
