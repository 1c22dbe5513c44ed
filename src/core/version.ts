import { createRequire } from "node:module";

const manifest: unknown = createRequire(import.meta.url)("pyro-mcp/package.json");

/** pyro's own version, as its package states it */
export const version =
  typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown";
