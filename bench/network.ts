import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { EngineContext } from "../src/machines/context.ts";
import { attachEgress, openEgress } from "../src/machines/guest/network.ts";
import { openOneOff } from "../src/machines/one-off/open.ts";
import { defaultShape } from "../src/machines/shape.ts";
import { type NetworkRules, offline } from "../src/network/policy/rules.ts";
import { environmentName, ignoreOutput } from "./machines.ts";
import { timeMs } from "./statistics.ts";

const rounds = 5;
const transferMib = 64;
const connections = 50;
const serverHost = "127.0.0.2";
const timeoutMs = 300_000;

export const networkNames = {
  channel: `${transferMib} MiB from a guest's command, over the channel alone`,
  upload: `${transferMib} MiB from a guest to a server of this host, by name`,
  download: `${transferMib} MiB from a server of this host to a guest, by name`,
  connect: "a connection with a first byte, in a guest by name",
  connectOnHost: "a connection with a first byte, on this host",
  plainFork: "fork to first exec, no way out",
  egressFork: "fork to first exec, with egress",
} as const;

type Record = (name: string, unit: "ms" | "MB", value: number) => void;

/** Measures what a guest's network costs, beside the same without it. */
export async function measureNetwork(context: EngineContext, record: Record): Promise<void> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (asked) => {
      if (asked.toString().startsWith("send")) socket.end(Buffer.alloc(transferMib << 20));
      else if (asked.toString().startsWith("one")) socket.end("x");
      else socket.resume();
    });
  });
  server.listen({ host: serverHost, port: 0 });
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const rules: NetworkRules = {
    ...offline,
    mode: "egress",
    allowHosts: [`server.test:${port}`],
    allowPrivate: [serverHost],
  };
  const egress = await openEgress({ hostProxies: {} }, rules, { resolve: async () => ({ addresses: [serverHost] }) });
  try {
    await measureTransfers();
    for (let round = 0; round < 3 * rounds; round++) await measureForks();
  } finally {
    await egress.close();
    server.close();
  }

  async function measureTransfers(): Promise<void> {
    await using machine = await openOneOff(context, { environment: environmentName, shape: defaultShape }, {});
    await using _ = attachEgress(machine.agent, egress);
    const run = async (script: string, onStdout: (chunk: Buffer) => void = () => {}) => {
      const spec = { argv: ["bash", "-c", script], timeoutMs, stdin: false };
      const ending = await machine.exec(spec, { ...ignoreOutput, onStdout });
      if (ending.exitCode !== 0) throw new Error(`'${script}' failed in the guest`);
    };
    const place = `/dev/tcp/server.test/${port}`;
    const bytes = `head -c ${transferMib << 20} /dev/zero`;
    const download = `exec 3<>${place}; echo send >&3; cat <&3 > /dev/null`;
    const upload = `exec 3<>${place}; echo take >&3; ${bytes} >&3`;
    await run(download);
    for (let round = 0; round < rounds; round++) {
      record(networkNames.channel, "ms", await timeMs(() => run(bytes)));
      record(networkNames.upload, "ms", await timeMs(() => run(upload)));
      record(networkNames.download, "ms", await timeMs(() => run(download)));
      record(networkNames.connectOnHost, "ms", await timeMs(() => connectOnHost(port)));
      let said = "";
      await run(connectScript(port), (chunk) => {
        said += chunk.toString();
      });
      record(networkNames.connect, "ms", Number(said));
    }
  }

  async function measureForks(): Promise<void> {
    const forkTo = async (isOpen: boolean) => {
      const startedMs = performance.now();
      await using machine = await openOneOff(context, { environment: environmentName, shape: defaultShape }, {});
      const closed = isOpen ? undefined : await openEgress({ hostProxies: {} }, offline);
      await using _ = attachEgress(machine.agent, closed ?? egress);
      await machine.exec({ argv: ["/bin/true"], timeoutMs, stdin: false }, ignoreOutput);
      return performance.now() - startedMs;
    };
    record(networkNames.plainFork, "ms", await forkTo(false));
    record(networkNames.egressFork, "ms", await forkTo(true));
  }
}

/** Prints the time of one of many connections, in milliseconds. */
function connectScript(port: number): string {
  return `python3 - <<'END'
import socket, time
def one():
    s = socket.create_connection(("server.test", ${port}))
    s.sendall(b"one\\n"); s.recv(1); s.close()
one()
begun = time.monotonic()
for _ in range(${connections}): one()
print((time.monotonic() - begun) * 1000 / ${connections})
END`;
}

async function connectOnHost(port: number): Promise<void> {
  const socket = connect({ host: serverHost, port });
  socket.write("one\n");
  await once(socket, "data");
  socket.destroy();
}
