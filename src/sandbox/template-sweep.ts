import { catalog } from "../environments/catalog.ts";
import { examine } from "../environments/store.ts";
import type { SandboxContext } from "./context.ts";
import {
  listTemplates,
  pruneTemplates,
  readTemplateRecord,
  removeTemplate,
  type StoredTemplate,
} from "./template-store.ts";

/** Removes templates of environments that are not installed any more, unreadable ones, and what exceeds the budget. */
export async function sweepTemplates({
  layout,
  templateBudgetBytes,
}: SandboxContext): Promise<readonly StoredTemplate[]> {
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
  return [...removed, ...(await pruneTemplates(layout.templatesDir, templateBudgetBytes))];
}
