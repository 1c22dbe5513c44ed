import { join } from "node:path";
import * as z from "zod";
import { PyroError } from "../core/errors.ts";
import type { BootableEnvironment } from "../environments/store.ts";
import {
  digestFile,
  fileStampSchema,
  pathExists,
  readRecord,
  sameStamp,
  stampFile,
  writeRecord,
} from "../host/files.ts";
import { withLock } from "../host/lock.ts";
import type { Driver } from "../vmm/driver.ts";
import { type AcceleratorDecision, chooseAccelerator } from "./accelerator.ts";
import type { SandboxCallOptions, SandboxContext } from "./context.ts";
import { type MachineShape, templateKey } from "./machine.ts";
import { buildTemplate } from "./template-builder.ts";
import { findTemplate, pruneTemplates, removeTemplate, type Template, touchTemplate } from "./template-store.ts";

/** Somebody else's build may be waited for this long */
const lockTimeoutMs = 180_000;

export interface TemplateRequest {
  readonly driver: Driver;
  readonly environment: BootableEnvironment;
  readonly shape: MachineShape;
}

export interface ReadyTemplate {
  readonly template: Template;
  readonly decision: AcceleratorDecision;
  /** How it came to be ready */
  readonly source: "reused" | "built" | "rebuilt";
}

/** Finds the template of a machine or builds it, once however many processes ask. */
export async function ensureTemplate(
  context: SandboxContext,
  request: TemplateRequest,
  options: SandboxCallOptions & { readonly force?: boolean },
): Promise<ReadyTemplate> {
  const { layout } = context;
  const { driver, environment, shape } = request;
  const { signal, onProgress, force = false } = options;
  const decision = await chooseAccelerator({
    ...{ driver, environment, signal, choice: context.acceleratorChoice },
    ...{ agentPath: layout.agentPath, templatesDir: layout.templatesDir, factsDir: layout.factsDir },
    locksDir: layout.locksDir,
    onProve: () => onProgress?.({ phase: "prove-kvm", environment: environment.name }),
  });
  const { accelerator } = decision;
  const agentDigest = await digestOfAgent(context);
  const key = await templateKey({ driver, shape, accelerator, agentDigest, environmentDigest: environment.digest });
  const { templatesDir } = layout;
  const first = force ? undefined : await findTemplate(templatesDir, key);
  if (first?.status === "ready") {
    await touchTemplate(templatesDir, key);
    return { template: first.template, decision, source: "reused" };
  }
  const lock = {
    ...{ dir: layout.locksDir, name: `template-${key}`, timeoutMs: lockTimeoutMs, signal },
    purpose: `building a template of ${environment.name}`,
    onWait: (holder: string) => onProgress?.({ phase: "wait", environment: environment.name, detail: holder }),
  };
  return withLock(lock, async () => {
    const found = force ? ({ status: "absent" } as const) : await findTemplate(templatesDir, key);
    if (found.status === "ready") return { template: found.template, decision, source: "reused" };
    onProgress?.({
      phase: "build-template",
      environment: environment.name,
      ...(found.status === "damaged" ? { detail: `the old one is damaged: ${found.reason}` } : {}),
    });
    await removeTemplate(templatesDir, key);
    const template = await buildTemplate({
      ...{ templatesDir, key, driver, environment, shape, accelerator, signal },
      agentPath: layout.agentPath,
    });
    await pruneTemplates(templatesDir, context.templateBudgetBytes, key);
    return { template, decision, source: found.status === "damaged" ? "rebuilt" : "built" };
  });
}

const agentFactSchema = z.object({ stamp: fileStampSchema, digest: z.string() });

/** The agent's digest, remembered for as long as the file stays the same. */
export async function digestOfAgent({ layout }: Pick<SandboxContext, "layout">): Promise<string> {
  const { agentPath, factsDir } = layout;
  if (!(await pathExists(agentPath))) {
    throw new PyroError("unavailable", `cannot start a guest: its agent '${agentPath}' is missing`, {
      hint: "Run `make build` in the checkout, or reinstall pyro-mcp.",
    });
  }
  const stamp = await stampFile(agentPath);
  const factPath = join(factsDir, "agent.json");
  const known = await readRecord(factPath, agentFactSchema);
  if (known.status === "ok" && sameStamp(known.record.stamp, stamp)) return known.record.digest;
  const digest = await digestFile(agentPath);
  await writeRecord(factPath, agentFactSchema, { stamp, digest });
  return digest;
}
