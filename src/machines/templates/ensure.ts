import { join } from "node:path";
import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { checkWire } from "../../core/wire-case.ts";
import {
  digestFile,
  fileStampSchema,
  pathExists,
  readRecord,
  sameStamp,
  stampFile,
  writeFact,
} from "../../host/files.ts";
import { requireAgentFile } from "../../host/named/agent-file.ts";
import type { Accelerator } from "../../vm/driver.ts";
import { requirePower } from "../../vm/features.ts";
import { chooseAccelerator, type MachineSource } from "../accelerator.ts";
import type { EngineCallOptions, EngineContext } from "../context.ts";
import { type MachineShape, templateKey } from "../shape.ts";
import { buildTemplate } from "./builder.ts";
import { withTemplateLock } from "./lock.ts";
import {
  findTemplate,
  pruneTemplates,
  removeTemplate,
  type Template,
  type TemplateLookup,
  touchTemplate,
} from "./store.ts";

/** How long the build of another process is waited for */
const lockTimeoutMs = 180_000;

export interface TemplateRequest extends MachineSource {
  readonly shape: MachineShape;
}

export interface EnsureTemplateOptions extends EngineCallOptions {
  /** Whether an existing template will do; default: every one */
  readonly accept?: ((template: Template) => boolean) | undefined;
}

/** Finds the template of a machine or builds it, once for all processes that ask together. */
export async function ensureTemplate(
  context: EngineContext,
  request: TemplateRequest,
  options: EnsureTemplateOptions,
): Promise<Template> {
  const { templatesDir } = context.layout;
  for (const power of ["snapshots", "layeredDisks"] as const) {
    requirePower(request.driver.features, power, "cannot make a template");
  }
  const { accelerator } = await chooseAccelerator(context, request, options);
  const key = await templateKeyOf(context, { ...request, accelerator });
  const look = async (): Promise<TemplateLookup> => {
    const lookup = await findTemplate({ templatesDir, key }, request.disks, options.signal);
    const isRefused = lookup.status === "ready" && options.accept?.(lookup.template) === false;
    return isRefused ? { status: "absent" } : lookup;
  };
  const found = await look();
  if (found.status === "ready") {
    await touchTemplate(templatesDir, key);
    return found.template;
  }
  const report = (phase: "wait-template" | "build-template", detail?: string) =>
    options.onProgress?.({ phase, environment: request.environment.name, ...(detail === undefined ? {} : { detail }) });
  const lock = {
    key,
    signal: options.signal,
    timeoutMs: lockTimeoutMs,
    purpose: `building a template of ${request.environment.name}`,
    onWait: (holder: string) => report("wait-template", `for ${holder}`),
  };
  return withTemplateLock(context, lock, async () => {
    const foundNow = await look();
    if (foundNow.status === "ready") return foundNow.template;
    report("build-template", foundNow.status === "damaged" ? `the old one is damaged: ${foundNow.reason}` : undefined);
    await removeTemplate(templatesDir, key);
    const template = await buildTemplate({ ...request, ...context.layout, key, accelerator, signal: options.signal });
    await pruneTemplates(templatesDir, context.templateBudgetBytes, key).catch(() => {
      // The next build removes it; this template is good.
    });
    return template;
  });
}

/** The key of the template that this host uses for a machine. */
export async function templateKeyOf(
  context: EngineContext,
  { driver, environment, shape, accelerator }: Omit<TemplateRequest, "disks"> & { readonly accelerator: Accelerator },
): Promise<string> {
  const agentDigest = await digestOfAgent(context);
  return templateKey({ driver, shape, accelerator, agentDigest, environmentDigest: environment.digest });
}

const agentFactSchema = z.object({ stamp: fileStampSchema, digest: z.string() });
checkWire(agentFactSchema, "agent fact");

/** The agent's digest, kept for as long as the file stays the same. */
export async function digestOfAgent({ layout }: Pick<EngineContext, "layout">): Promise<string> {
  const { agentPath, factsDir } = layout;
  if (!(await pathExists(agentPath))) {
    throw new PyroError("unavailable", `cannot start a guest: its agent '${agentPath}' is missing`, {
      hint: "Run `make build` in the checkout, or reinstall pyro-mcp.",
    });
  }
  await requireAgentFile(agentPath);
  const stamp = await stampFile(agentPath);
  const factPath = join(factsDir, "agent.json");
  const known = await readRecord(factPath, agentFactSchema);
  if (known.status === "ok" && sameStamp(known.record.stamp, stamp)) return known.record.digest;
  const digest = await digestFile(agentPath);
  await writeFact(factPath, agentFactSchema, { stamp, digest }).catch(() => {
    // The next call computes it again. Other code reports a cache that cannot be written to.
  });
  return digest;
}
