import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { PyroError } from "../../core/errors.ts";
import { catalog } from "../../images/catalog.ts";
import { examine } from "../../images/store.ts";
import type { EngineContext } from "../context.ts";
import { withTemplateLock } from "./lock.ts";
import {
  keyOfLeftover,
  listTemplates,
  pruneTemplates,
  readTemplateRecord,
  removeTemplate,
  type StoredTemplate,
} from "./store.ts";

/** The sweep does not wait for a template that another process is building */
const lockTimeoutMs = 500;

/**
 * Removes templates that are unreadable, without environment or beyond the budget, and leftovers.
 */
export async function sweepTemplates(context: EngineContext): Promise<readonly StoredTemplate[]> {
  const { layout, templateBudgetBytes } = context;
  const installed = new Set<string>();
  for (const entry of catalog) {
    const installation = await examine(layout, entry);
    if (installation.state === "installed") installed.add(installation.record.digest);
  }
  const removed: StoredTemplate[] = [];
  for (const stored of await listTemplates(layout.templatesDir)) {
    const record = await readTemplateRecord(layout.templatesDir, stored.key);
    if (record && installed.has(record.environmentDigest)) continue;
    await removeTemplate(layout.templatesDir, stored.key);
    removed.push(stored);
  }
  await sweepLeftovers(context);
  return [...removed, ...(await pruneTemplates(layout.templatesDir, templateBudgetBytes))];
}

/** Removes what killed builds left, unless another process builds the same template now. */
async function sweepLeftovers(context: EngineContext): Promise<void> {
  const { templatesDir } = context.layout;
  for (const name of await readdir(templatesDir).catch(() => [])) {
    const key = keyOfLeftover(name);
    if (key === undefined) continue;
    const request = { key, purpose: "sweeping templates", timeoutMs: lockTimeoutMs };
    try {
      await withTemplateLock(context, request, () => rm(join(templatesDir, name), { recursive: true, force: true }));
    } catch (error) {
      if (PyroError.from(error).code !== "timeout") throw error;
    }
  }
}
