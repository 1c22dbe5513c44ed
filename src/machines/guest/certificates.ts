import { rootCertificates } from "node:tls";
import { PyroError } from "../../core/errors.ts";
import type { HostCertificate } from "../../network/certificates/host.ts";
import { javaKeyStore, storePassword } from "../../network/certificates/key-store.ts";
import type { Machine } from "../machine.ts";
import { runScript } from "./script.ts";

/** In memory: every machine of a workspace gets the certificates anew */
const guestDir = "/run/pyro/certificates";

const hostPem = `${guestDir}/host.pem`;
const javaStore = `${guestDir}/java.jks`;

/**
 * Puts the host's authorities into the guest's own store as an administrator would, so that its
 * tools find them and `update-ca-certificates` keeps them. Those of an earlier start are taken out.
 */
const installScript = `set -eu
dir=${guestDir}
bundle=
for path in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
  if [ -z "$bundle" ] && [ -s "$path" ]; then bundle=$path; fi
done
anchors=/usr/local/share/ca-certificates
mkdir -p "$anchors"
rm -f "$anchors"/pyro-host-*.crt
awk -v file="$anchors/pyro-host-" '/BEGIN CERTIFICATE/ { number++ } number { print > (file number ".crt") }' ${hostPem}
: > "$dir/all.pem"
if [ -n "$bundle" ]; then
  # Readers of a bundle pass over lines between certificates.
  sed '/^# pyro: begin/,/^# pyro: end/d' "$bundle" > "$dir/all.pem"
fi
{ echo "# pyro: begin"; cat ${hostPem}; echo "# pyro: end"; } >> "$dir/all.pem"
if [ -n "$bundle" ]; then cat "$dir/all.pem" > "$bundle"; fi
`;

/** Variables by which programs find the host's authorities, whatever store they have themselves. */
export const certificateVariables: Readonly<Record<string, string>> = {
  // OpenSSL, and so Python, Ruby and others; Go
  SSL_CERT_FILE: `${guestDir}/all.pem`,
  CURL_CA_BUNDLE: `${guestDir}/all.pem`,
  GIT_SSL_CAINFO: `${guestDir}/all.pem`,
  // Python's requests and pip, which bring a store of their own
  REQUESTS_CA_BUNDLE: `${guestDir}/all.pem`,
  PIP_CERT: `${guestDir}/all.pem`,
  CARGO_HTTP_CAINFO: `${guestDir}/all.pem`,
  NODE_EXTRA_CA_CERTS: hostPem,
  JAVA_TOOL_OPTIONS: `-Djavax.net.ssl.trustStore=${javaStore} -Djavax.net.ssl.trustStorePassword=${storePassword} -Djavax.net.ssl.trustStoreType=JKS`,
};

/**
 * Makes a guest trust certificate authorities of the host and of a broker of secrets, and none that
 * it has got before.
 */
export async function installCertificates(
  machine: Pick<Machine, "exec">,
  certificates: readonly Pick<HostCertificate, "pem">[],
  signal?: AbortSignal,
): Promise<void> {
  const pems = certificates.map(({ pem }) => pem);
  const run = async (script: string, input?: Buffer) => {
    const said = await runScript(machine, { script, input, signal });
    if (said !== undefined) throw notInstalled(said);
  };
  await run(`mkdir -p ${guestDir} && cat > ${hostPem}`, Buffer.from(pems.join("")));
  await run(`cat > ${javaStore}`, javaKeyStore([...rootCertificates, ...pems]));
  await run(installScript);
}

function notInstalled(said: string): PyroError {
  return new PyroError("failed_precondition", `cannot put certificates into the guest: ${said}`, {
    hint: "Use an environment with a shell, awk and sed, or leave `--host-certificates` and brokered secrets out.",
  });
}
