import { createHash } from "node:crypto";
import * as z from "zod";
import { checkWire } from "../core/wire-case.ts";
import { fileStampSchema } from "../host/files.ts";

const digestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/, "must be sha256: and 64 hexadecimal digits");

const blobSchema = z.object({
  digest: digestSchema,
  sizeBytes: z.number(),
  /** Stamp of the file when its digest was last right */
  stamp: fileStampSchema,
});
export type BlobRecord = z.output<typeof blobSchema>;

/** `environment.json`. It is written last, so an environment with it is installed. */
export const environmentRecordSchema = z.object({
  formatVersion: z.literal(1),
  name: z.string(),
  /** Version of the catalog's entry, not of the distribution */
  version: z.string(),
  catalogVersion: z.string(),
  architecture: z.string(),
  source: z.object({
    kind: z.literal("debian-packages"),
    suite: z.string(),
    /** Package mirror, `null` for the default one */
    mirror: z.string().nullable(),
  }),
  kernel: blobSchema.extend({ version: z.string() }),
  /** Uncompressed cpio archive, the second half of an initramfs */
  modules: blobSchema,
  /** ext4 file system without a partition table */
  rootImage: blobSchema,
  packages: z.array(z.object({ name: z.string(), version: z.string() })),
  builtAt: z.string(),
  /** Digest over the three files together */
  digest: digestSchema,
});
checkWire(environmentRecordSchema, "environment record");
export type EnvironmentRecord = z.output<typeof environmentRecordSchema>;

export const blobRoles = ["kernel", "modules", "rootImage"] as const;

export function digestOf(blobs: Pick<EnvironmentRecord, (typeof blobRoles)[number]>): string {
  const hash = createHash("sha256");
  for (const role of blobRoles) hash.update(`${role} ${blobs[role].digest}\n`);
  return `sha256:${hash.digest("hex")}`;
}
