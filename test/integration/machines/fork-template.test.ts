import { access, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PyroError } from "../../../src/core/errors.ts";
import { ProtocolMismatchError } from "../../../src/guest/reply.ts";
import type { EngineContext } from "../../../src/machines/context.ts";
import { defaultShape } from "../../../src/machines/shape.ts";
import { templateKeyOf } from "../../../src/machines/templates/ensure.ts";
import { forkTemplate } from "../../../src/machines/templates/fork.ts";
import { publishTemplate, stagingDirOf, type Template, templateFiles } from "../../../src/machines/templates/store.ts";
import type { VmTools } from "../../../src/machines/vm-tools.ts";
import { FrozenStateError } from "../../../src/vm/driver.ts";
import type { DriverFeatures } from "../../../src/vm/features.ts";
import { engineContext } from "../../helpers/engine-context.ts";

const rebuilding = new Error("the template is being rebuilt");
const features: DriverFeatures = {
  vmm: "fakevisor",
  version: "1",
  path: "/fakevisor",
  fingerprint: "fakevisor 1",
  accelerators: ["tcg"],
  snapshots: true,
  liveLayers: true,
  layeredDisks: true,
  addedDisks: true,
  mapsReadOnlyMemory: true,
};

let dir: string;
let context: EngineContext;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-fork-"));
  const { layout, ...rest } = engineContext(dir, { acceleratorChoice: "tcg" });
  context = { ...rest, layout: { ...layout, agentPath: join(dir, "agent") } };
  await writeFile(join(dir, "agent"), "agent");
  await writeFile(join(dir, "modules"), "modules");
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function toolsWith(change: Partial<DriverFeatures>): VmTools {
  const unexpected = () => Promise.reject(new Error("no machine starts here"));
  return {
    driver: {
      features: { ...features, ...change },
      describeMachine: () => "a machine",
      boot: unexpected,
      fork: unexpected,
    },
    disks: {
      // A build begins with it.
      createOverlay: () => Promise.reject(rebuilding),
      mergeTopLayer: unexpected,
      dataExtents: async () => [],
    },
  };
}

function machineWith(change: Partial<DriverFeatures> = {}) {
  const environment = {
    name: "debian:12",
    version: "1",
    digest: "sha256:0",
    kernelPath: join(dir, "kernel"),
    modulesPath: join(dir, "modules"),
    rootImagePath: join(dir, "root.img"),
  };
  return { ...toolsWith(change), environment, shape: defaultShape, rebuild: false };
}

/** Publishes a template, forks it and fails. */
async function forkAndFail(fail: (template: Template) => unknown): Promise<never> {
  const { templatesDir } = context.layout;
  const machine = machineWith();
  const key = await templateKeyOf(context, { ...machine, accelerator: "tcg" });
  await mkdir(stagingDirOf(templatesDir, key), { recursive: true });
  for (const name of Object.values(templateFiles)) await writeFile(join(stagingDirOf(templatesDir, key), name), name);
  const facts = {
    key,
    environment: "debian:12",
    environmentDigest: "sha256:0",
    accelerator: "tcg",
    ...defaultShape,
    vmm: "fakevisor 1",
    createdAt: "2026-01-01T00:00:00.000Z",
    buildDurationMs: 1,
  } as const;
  await publishTemplate(templatesDir, facts, machine.disks);
  return forkTemplate(context, machine, {}, async (template) => {
    throw await fail(template);
  });
}

test.each<[string, (template: Template) => unknown]>([
  ["whose frozen state does not load", () => new FrozenStateError("bad state", { details: {}, cause: undefined })],
  ["whose agent speaks another protocol", () => new ProtocolMismatchError("guest agent speaks 1.0")],
  ["that was pruned meanwhile", (template) => missing(template)],
])("a template %s is rebuilt", async (_what, fail) => {
  await expect(forkAndFail(fail)).rejects.toBe(rebuilding);
});

async function missing(template: Template): Promise<unknown> {
  await rm(template.pathOf("state"));
  return access(template.pathOf("state")).catch((error: unknown) => error);
}

test.each<[string, () => unknown]>([
  ["a failed precondition of the caller", () => new PyroError("failed_precondition", "no such snapshot")],
  ["a missing file of another owner", () => access(join(dir, "seed.img")).catch((error: unknown) => error)],
  ["a machine that ended", () => new PyroError("unavailable", "the virtual machine ended unexpectedly")],
])("%s does not touch the template", async (_what, fail) => {
  const failure = await fail();
  await expect(forkAndFail(() => failure)).rejects.toBe(failure);
});

test.each<[Partial<DriverFeatures>, string]>([
  [{ snapshots: false }, "cannot make a template: fakevisor cannot freeze and fork machines"],
  [{ layeredDisks: false }, "cannot make a template: fakevisor cannot run a machine on layers of a disk"],
  [
    { accelerators: ["kvm"] },
    "cannot run virtual machines: fakevisor cannot run on 'tcg' (chosen by PYRO_ACCELERATOR)",
  ],
])("a driver with %j makes no template", async (lack, message) => {
  const fork = forkTemplate(context, machineWith(lack), {}, () => Promise.reject(rebuilding));
  await expect(fork).rejects.toMatchObject({ code: "unsupported", message });
});
