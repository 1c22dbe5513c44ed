import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, type TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, test } from "vitest";
import { capture } from "../../../src/host/process.ts";
import { Authority } from "../../../src/network/broker/authority.ts";

const timeoutMs = 20_000;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "pyro-authority-"));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

/** The certificate that a server of a name shows. */
async function leafFor(authority: Authority, host: string): Promise<X509Certificate> {
  const server = createServer({ SNICallback: (name, done) => done(null, authority.contextFor(name)) });
  server.on("tlsClientError", () => {});
  server.listen({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client: TLSSocket = connect({ host: "127.0.0.1", port, servername: host, rejectUnauthorized: false });
  await once(client, "secureConnect");
  const { raw } = client.getPeerCertificate();
  client.destroy();
  server.close();
  return new X509Certificate(raw);
}

/** What OpenSSL says of a leaf, in its strict reading of the standard. */
async function verify(authority: Authority, host: string): Promise<string> {
  await writeFile(join(dir, "ca.pem"), authority.pem);
  await writeFile(join(dir, "leaf.pem"), (await leafFor(authority, host)).toString());
  const strict = ["-x509_strict", "-purpose", "sslserver", "-verify_hostname", host];
  const files = ["-CAfile", join(dir, "ca.pem"), join(dir, "leaf.pem")];
  const { stdout, stderr } = await capture(["openssl", "verify", ...strict, ...files], { timeoutMs });
  return stdout + stderr;
}

test("an authority vouches for its domains and the names below them, and for no other", async () => {
  const authority = new Authority(["api.test", "example.com"]);
  for (const host of ["api.test", "a.b.example.com", `${"long-label.".repeat(9)}example.com`]) {
    expect(await verify(authority, host)).toContain("OK");
  }
  for (const host of ["other.test", "notexample.com"]) {
    expect(await verify(authority, host)).toContain("permitted subtree violation");
  }
});

test("a leaf is no authority, lasts two days and is made once", async () => {
  const authority = new Authority(["api.test"]);
  const leaf = await leafFor(authority, "api.test");
  expect(leaf.ca).toBe(false);
  expect(leaf.subjectAltName).toBe("DNS:api.test");
  expect(Date.parse(leaf.validTo) - Date.now()).toBeLessThanOrEqual(48 * 3_600_000);
  expect(authority.contextFor("api.test")).toBe(authority.contextFor("api.test"));
  expect(new X509Certificate(authority.pem).ca).toBe(true);
});
