import { execFileSync } from "node:child_process";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { inject } from "vitest";
import type { TestCache } from "./cli.ts";

/** Puts a copy of the template that all tests share into a cache, which spares it a boot. */
export function copySharedTemplates(cache: TestCache): void {
  execFileSync("cp", ["-a", "--sparse=always", inject("sharedTemplatesDir"), join(cache.dir, "templates")]);
}

/** Lets a cache folder use the template that all tests share, which none of them may change. */
export async function linkSharedTemplates(cacheDir: string): Promise<void> {
  await symlink(inject("sharedTemplatesDir"), join(cacheDir, "templates"));
}
