import { Readable } from "node:stream";
import { rootCertificates } from "node:tls";
import { PyroError } from "../core/errors.ts";
import { encodeStdin } from "../guest/exec.ts";
import type { HostCertificate } from "../network/certificates/host.ts";
import { javaKeyStore, storePassword } from "../network/certificates/key-store.ts";
import type { Machine } from "./machine.ts";

const installTimeoutMs = 60_000;
/** In memory: every machine of a workspace gets the certificates anew */
const guestDir = "/run/pyro/certificates";

/**
 * Takes two lines of base64 on standard input: the host's authorities, and a key store for Java.
 * They go into the guest's own store as an administrator's would, so that its tools find them and
 * `update-ca-certificates` keeps them.
 */
const installScript = `set -eu
dir=${guestDir}
mkdir -p "$dir"
chmod 755 "$dir"
read -r certificates
read -r store
printf %s "$certificates" | base64 -d > "$dir/host.pem"
printf %s "$store" | base64 -d > "$dir/java.jks"
bundle=
for path in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
  if [ -z "$bundle" ] && [ -s "$path" ]; then bundle=$path; fi
done
anchors=/usr/local/share/ca-certificates
mkdir -p "$anchors"
rm -f "$anchors"/pyro-host-*.crt
awk -v file="$anchors/pyro-host-" '/BEGIN CERTIFICATE/ { number++ } { print > (file number ".crt") }' "$dir/host.pem"
if [ -n "$bundle" ]; then
  for file in "$anchors"/pyro-host-*.crt; do
    # The second line of a certificate is its own.
    if ! grep -qF "$(sed -n 2p "$file")" "$bundle"; then cat "$file" >> "$bundle"; fi
  done
  cat "$bundle" > "$dir/all.pem"
else
  cat "$dir/host.pem" > "$dir/all.pem"
fi
`;

/** Variables by which programs find the host's authorities, whatever store they have themselves. */
const certificateVariables: Readonly<Record<string, string>> = {
  // OpenSSL, and so Python, Ruby and others; Go
  SSL_CERT_FILE: `${guestDir}/all.pem`,
  CURL_CA_BUNDLE: `${guestDir}/all.pem`,
  GIT_SSL_CAINFO: `${guestDir}/all.pem`,
  // Python's requests and pip, which bring a store of their own
  REQUESTS_CA_BUNDLE: `${guestDir}/all.pem`,
  PIP_CERT: `${guestDir}/all.pem`,
  CARGO_HTTP_CAINFO: `${guestDir}/all.pem`,
  NODE_EXTRA_CA_CERTS: `${guestDir}/host.pem`,
  JAVA_TOOL_OPTIONS: `-Djavax.net.ssl.trustStore=${guestDir}/java.jks -Djavax.net.ssl.trustStorePassword=${storePassword} -Djavax.net.ssl.trustStoreType=JKS`,
};

/** What commands get of them, if the guest trusts any. */
export function variablesFor(certificates: readonly unknown[] | null): Readonly<Record<string, string>> {
  return certificates === null || certificates.length === 0 ? {} : certificateVariables;
}

/** Makes a guest trust certificate authorities of the host. Nothing is done for none. */
export async function installCertificates(
  machine: Pick<Machine, "exec">,
  certificates: readonly HostCertificate[],
  signal?: AbortSignal,
): Promise<void> {
  if (certificates.length === 0) return;
  const pems = certificates.map(({ pem }) => pem);
  const store = javaKeyStore([...rootCertificates, ...pems]);
  const input = `${Buffer.from(pems.join("")).toString("base64")}\n${store.toString("base64")}\n`;
  let said = "";
  const keep = (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(0, 1000);
  };
  const { exitCode } = await machine.exec(
    { argv: ["/bin/sh", "-c", installScript], cwd: "/", timeoutMs: installTimeoutMs, stdin: true },
    { input: encodeStdin(Readable.from([Buffer.from(input)])), onStdout: keep, onStderr: keep, signal },
  );
  if (exitCode === 0) return;
  throw new PyroError("failed_precondition", `cannot put the host's certificates into the guest: ${said.trim()}`, {
    hint: "Leave `--host-certificates` out, or use an environment with a shell, awk and base64.",
  });
}
