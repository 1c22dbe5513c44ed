import { createServer, type Server, type Socket } from "node:net";
import { PyroError } from "../../core/errors.ts";
import { hint, toRun } from "../../core/hint.ts";
import type { EngineCallOptions, EngineContext } from "../../machines/context.ts";
import { attachEgress, openEgress } from "../../machines/guest/network.ts";
import { openOneOff } from "../../machines/one-off/open.ts";
import { defaultShape } from "../../machines/shape.ts";
import type { Egress } from "../../network/egress.ts";
import type { NetworkRules } from "../../network/policy/rules.ts";

const proofTimeoutMs = 30_000;
/** Names of the reserved top-level domain for tests (RFC 6761), so no rule of a user has them */
const allowedName = "allowed.pyro.test";
const deniedName = "denied.pyro.test";
const label = "proof";

/**
 * Proves with a throwaway machine that a guest reaches what it may and nothing else: by name, with
 * the right TLS server name. The server is this process, so a host without internet can prove it.
 */
export async function proveNetwork(
  context: EngineContext,
  environment: string,
  options: EngineCallOptions,
): Promise<void> {
  await using server = await EchoServer.listen();
  const rules: NetworkRules = {
    mode: "egress",
    allowHosts: [`${allowedName}:${server.port}`],
    denyHosts: [],
    allowPrivate: ["127.0.0.1"],
    presets: [],
  };
  const egress = await openEgress({ hostProxies: {} }, rules, {
    resolve: async () => ({ addresses: ["127.0.0.1"] }),
  });
  await using machine = await openOneOff(context, { environment, shape: defaultShape }, options);
  await using _ = attachEgress(machine.agent, egress);
  let output = "";
  const keep = (chunk: Buffer) => {
    output += chunk.toString("utf8");
  };
  const argv = ["bash", "-c", proofScript, "proof", String(server.port), hello(allowedName), hello(deniedName)];
  const spec = { argv, timeoutMs: proofTimeoutMs, stdin: false, label };
  const ending = await machine.exec(spec, { onStdout: keep, onStderr: keep, signal: options.signal });
  const problem = ending.exitCode === 0 ? problemIn(egress) : output.trim() || "its command did not run";
  await egress.close();
  if (problem === undefined) return;
  throw new PyroError("internal", `a guest's network does not work: ${problem}`, {
    hint: hint`${toRun("doctor")}.`,
    details: { ...ending },
  });
}

/** What the ledger of the proof should have and does not. */
function problemIn(egress: Egress): string | undefined {
  const use = egress.takeUseOf(label);
  const wasDenied = (host: string) => use?.denied.some((denied) => denied.host === host) === true;
  if (use?.allowed[allowedName] === undefined) return "the connection that was allowed is not in the ledger";
  if (!wasDenied(deniedName)) return "the denied name is not in the ledger";
  return wasDenied(allowedName) ? undefined : "the foreign server name is not in the ledger";
}

/**
 * Its arguments are a port and two TLS hellos in the form of printf(1): one for the name that is
 * allowed, one for the other.
 */
const proofScript = `set -u
port=$1
answer() {
  exec 3<>"/dev/tcp/${allowedName}/$port" || return 1
  printf "$1" >&3
  head -c 1 <&3 | wc -c
  exec 3>&-
}
[ "$(answer 'hello\\n')" = 1 ] || { echo "what is allowed does not answer"; exit 1; }
[ "$(answer "$2")" = 1 ] || { echo "the right TLS server name is denied"; exit 1; }
[ "$(answer "$3" 2>/dev/null)" != 1 ] || { echo "a foreign TLS server name is let through"; exit 1; }
if (exec 3<>"/dev/tcp/${deniedName}/$port") 2>/dev/null; then echo "a denied name is let through"; exit 1; fi
`;

/** The beginning of a TLS connection to a server, in the form of printf(1). */
function hello(serverName: string): string {
  const name = Buffer.from(serverName);
  const entry = Buffer.concat([Buffer.from([0]), sized(name, 2)]);
  const extension = Buffer.concat([Buffer.from([0, 0]), sized(sized(entry, 2), 2)]);
  const suites = sized(Buffer.from([0x13, 0x01]), 2);
  const body = Buffer.concat([
    ...[Buffer.from([3, 3]), Buffer.alloc(32, 7), sized(Buffer.alloc(0), 1)],
    ...[suites, sized(Buffer.from([0]), 1), sized(extension, 2)],
  ]);
  const message = Buffer.concat([Buffer.from([1]), sized(body, 3)]);
  const record = Buffer.concat([Buffer.from([0x16, 3, 1]), sized(message, 2)]);
  return [...record].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

/** Bytes after their number, which takes so many bytes itself. */
function sized(bytes: Buffer, lengthBytes: number): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(bytes.length, 0, lengthBytes);
  return Buffer.concat([length, bytes]);
}

/** Sends back what it gets, on a port of the host's loopback address. */
class EchoServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      socket.pipe(socket);
    });
  }

  static async listen(): Promise<EchoServer> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: "127.0.0.1", port: 0 }, resolve);
    });
    return new EchoServer(server);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address ? address.port : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
