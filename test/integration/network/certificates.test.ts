import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { addedCertificates } from "../../../src/network/certificates/host.ts";
import { javaKeyStore } from "../../../src/network/certificates/key-store.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-certificates-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function authority(name: string, ...flags: string[]): Promise<string> {
  const path = join(dir, `${name}.pem`);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", join(dir, "key")];
  execFileSync("openssl", ["req", "-x509", ...key, "-out", path, "-subj", `/O=Corp/CN=${name}`, ...flags], {
    stdio: "pipe",
  });
  return readFile(path, "utf8");
}

test("authorities that were added to the host are found once, in folders and named files", async () => {
  const anchors = join(dir, "anchors");
  await mkdir(join(anchors, "sub"), { recursive: true });
  const [first, second] = [await authority("first"), await authority("second")];
  await writeFile(join(anchors, "first.crt"), first);
  await writeFile(join(anchors, "sub", "both.pem"), `a comment\n${first}\n${second}`);
  await writeFile(join(anchors, "notes.txt"), second);
  await writeFile(join(anchors, "broken.crt"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  await symlink("/nonexistent", join(anchors, "gone.crt"));
  const named = join(dir, "named.pem");
  await writeFile(named, `${rootCertificates[0]}\n${second}`);
  const found = await addedCertificates({ dirs: [anchors, join(dir, "missing")], files: [named, join(dir, "none")] });
  expect(found.map(({ subject, source }) => [subject, source])).toEqual([
    ["O=Corp, CN=first", join(anchors, "first.crt")],
    ["O=Corp, CN=second", join(anchors, "sub", "both.pem")],
  ]);
  expect(found[0]?.fingerprintSha256).toBe(new X509Certificate(first).fingerprint256);
  expect(Date.parse(found[0]?.expiresAt ?? "")).toBeGreaterThan(Date.now());
});

test("what is no authority, has expired or is known to browsers is left out", async () => {
  const files = ["leaf", "known", "bundle"].map((name) => join(dir, `${name}.crt`));
  const leaf = await authority("leaf", "-addext", "basicConstraints=critical,CA:FALSE");
  await writeFile(files[0] ?? "", leaf);
  await writeFile(files[1] ?? "", rootCertificates.join("\n"));
  await symlink("/etc/ssl/certs/ca-certificates.crt", files[2] ?? "");
  expect(await addedCertificates({ dirs: [], files })).toEqual([]);
});

test("a Java key store has the certificates, and the digest that Java asks for", async () => {
  const pem = await authority("first");
  const store = javaKeyStore([pem]);
  const { raw } = new X509Certificate(pem);
  expect(store.subarray(0, 16).toString("hex")).toBe("feedfeed000000020000000100000002");
  expect(store.includes(raw)).toBe(true);
  const content = store.subarray(0, -20);
  const password = Buffer.from([..."changeit"].flatMap((letter) => [0, letter.charCodeAt(0)]));
  const digest = createHash("sha1").update(password).update("Mighty Aphrodite").update(content).digest();
  expect(store.subarray(-20)).toEqual(digest);
});
