import { PyroError } from "../core/errors.ts";
import { hint, toRun } from "../core/hint.ts";
import type { Volume } from "../host/disk-space.ts";
import type { RoomClaim } from "./builder.ts";

/** Refuses to pull if a file system has less free space than all claims on it together. */
export async function requireRoom(
  environment: string,
  claims: readonly RoomClaim[],
  volumeOf: (path: string) => Promise<Volume>,
): Promise<void> {
  const needs = new Map<number, { path: string; bytes: number; freeBytes: number }>();
  for (const { path, bytes } of claims) {
    const { id, freeBytes } = await volumeOf(path);
    const need = needs.get(id) ?? { path, bytes: 0, freeBytes };
    needs.set(id, { ...need, bytes: need.bytes + bytes });
  }
  for (const { path, bytes, freeBytes } of needs.values()) {
    if (freeBytes >= bytes) continue;
    const message = `cannot pull '${environment}': needs ${gigabytes(bytes)} free under '${path}', has ${gigabytes(freeBytes)}`;
    throw new PyroError("resource_exhausted", message, {
      hint: hint`Free some space, ${toRun("env.prune")}, or set PYRO_ENVIRONMENT_CACHE_DIR to a folder on a larger disk.`,
      details: { path, neededBytes: bytes, freeBytes },
    });
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
