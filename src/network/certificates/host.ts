import { X509Certificate } from "node:crypto";
import { readdir, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import * as z from "zod";

/** Folders in which the administrators of a host put its own authorities, by distribution */
const anchorDirs = [
  "/usr/local/share/ca-certificates", // Debian, Ubuntu, Alpine
  "/etc/pki/ca-trust/source/anchors", // Fedora, Red Hat
  "/etc/ca-certificates/trust-source/anchors", // Arch
  "/etc/pki/trust/anchors", // SUSE
];
/** Bundles that the distributions make, which have their own authorities beside the host's */
const systemBundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const maxDepth = 3;
const maxCertificates = 200;
const pemForm = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** A certificate authority of this host, as results tell it. */
export const hostCertificateSchema = z.object({
  subject: z.string(),
  fingerprintSha256: z.string(),
  expiresAt: z.string(),
  /** File that it comes from */
  source: z.string(),
});

export interface HostCertificate extends z.output<typeof hostCertificateSchema> {
  readonly pem: string;
}

/** What results tell of authorities. */
export function aboutCertificates(certificates: readonly HostCertificate[]): z.output<typeof hostCertificateSchema>[] {
  return certificates.map(({ pem: _, ...about }) => about);
}

/** Where authorities come from; for tests, other folders than the host's. */
export interface CertificateSources {
  readonly dirs?: readonly string[];
  /** Files that variables such as NODE_EXTRA_CA_CERTS name */
  readonly files: readonly string[];
}

/**
 * The certificate authorities that were added to this host: those in the folders for that, and in
 * the files that variables name, unless such a file is the system's own bundle. Left out are those
 * that browsers know, those that have expired, and certificates that are no authority.
 */
export async function addedCertificates({
  dirs = anchorDirs,
  files,
}: CertificateSources): Promise<readonly HostCertificate[]> {
  const inDirs = await Promise.all(dirs.map((dir) => filesBelow(dir, maxDepth)));
  const bundles = new Set(await Promise.all(systemBundles.map(resolved)));
  const named = (await Promise.all(files.map(resolved))).filter((path) => !bundles.has(path));
  const known = new Set(rootCertificates.map((pem) => new X509Certificate(pem).fingerprint256));
  const found = new Map<string, HostCertificate>();
  for (const source of [...inDirs.flat(), ...named]) {
    for (const certificate of await certificatesIn(source)) {
      const { fingerprintSha256: id } = certificate;
      if (!known.has(id) && found.size < maxCertificates) found.set(id, found.get(id) ?? certificate);
    }
  }
  return [...found.values()];
}

async function filesBelow(dir: string, depth: number): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const below = entries.map(async (entry): Promise<string[]> => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return depth === 0 ? [] : filesBelow(path, depth - 1);
    return /\.(?:crt|pem|cer)$/i.test(entry.name) ? [path] : [];
  });
  return (await Promise.all(below)).flat().toSorted();
}

async function resolved(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}

async function certificatesIn(source: string): Promise<HostCertificate[]> {
  const text = await readFile(source, "latin1").catch(() => "");
  return (text.match(pemForm) ?? []).flatMap((pem) => {
    try {
      const certificate = new X509Certificate(pem);
      const { ca, subject, fingerprint256: fingerprintSha256, validTo } = certificate;
      const expiresAt = new Date(validTo);
      if (!ca || expiresAt.getTime() < Date.now()) return [];
      const line = subject.split("\n").join(", ");
      return [
        { subject: line, fingerprintSha256, expiresAt: expiresAt.toISOString(), source, pem: certificate.toString() },
      ];
    } catch {
      // It only looks like a certificate.
      return [];
    }
  });
}
