import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { inject } from "vitest";
import type { TestCache } from "./cli.ts";

/** Puts a copy of the template that all tests share into a cache, which spares it a boot. */
export function copySharedTemplates(cache: TestCache): void {
  execFileSync("cp", ["-a", "--sparse=always", inject("sharedTemplatesDir"), join(cache.dir, "templates")]);
}
