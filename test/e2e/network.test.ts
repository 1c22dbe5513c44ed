import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openBroker } from "../../src/machines/guest/broker.ts";
import { installCertificates } from "../../src/machines/guest/certificates.ts";
import { guestVariables } from "../../src/machines/guest/variables.ts";
import { Authority } from "../../src/network/broker/authority.ts";
import type { Broker } from "../../src/network/broker/broker.ts";
import { addedCertificates } from "../../src/network/certificates/host.ts";
import { readLedger } from "../../src/network/ledger.ts";
import { placeholder, secretFor, value } from "../helpers/brokered-network.ts";
import { LoopbackServer } from "../helpers/loopback-server.ts";
import { NetworkedGuest } from "../helpers/networked-guest.ts";
import { describeWithVm } from "../helpers/vm.ts";

/** Servers of the tests listen here. Their names mean this address, which has leave for them. */
const serverHost = "127.0.0.2";

function httpServer(answer = "hello from outside\n"): Promise<LoopbackServer> {
  return LoopbackServer.listen((socket) => {
    let head = "";
    socket.on("data", (chunk) => {
      head += chunk.toString();
      if (!head.includes("\r\n\r\n")) return;
      socket.end(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ${answer.length}\r\n\r\n${answer}`);
    });
  });
}

describeWithVm("the network of a guest", () => {
  let guest: NetworkedGuest;
  let dir: string;
  /** The authority of the servers outside, which the guest does not trust */
  const outside = new Authority(["test"]);
  let broker: Broker | undefined;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "pyro-network-"));
    const secrets = [
      secretFor(["api.test:1-65535"]),
      secretFor(["other.test:1-65535"], { name: "OTHER", placeholder: "placeholder-of-the-other" }),
    ];
    const authority = join(dir, "outside.pem");
    writeFileSync(authority, outside.pem);
    broker = await openBroker({ certificateFiles: [authority] }, secrets);
    guest = await NetworkedGuest.open(dir, broker);
  });
  afterAll(async () => {
    await guest[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });
  beforeEach(() => {
    guest.names.clear();
    guest.names.set("server.test", [serverHost]);
  });
  const allowServer = (port: number, more: readonly string[] = []) =>
    guest.allow({ allowHosts: [`server.test:${port}`, ...more], allowPrivate: [serverHost] });

  test("a name that is allowed is reached, by the process that the ledger names", async () => {
    await using server = await httpServer();
    allowServer(server.port);
    const { stdout, exitCode, use } = await guest.run(`curl -sS http://server.test:${server.port}/`);
    expect({ stdout, exitCode }).toEqual({ stdout: "hello from outside\n", exitCode: 0 });
    expect(use).toEqual({ allowed: { "server.test": 1 }, denied: [], failed: [], secrets: [] });
    await guest.egress.settled();
    expect((await readLedger(dir)).at(-1)).toMatchObject({
      ...{ process: "curl", command: "command 1", host: "server.test", port: server.port, verdict: "allowed" },
      ...{ address: serverHost, receivedBytes: expect.any(Number), isOpen: false },
    });
  });

  test("a name is found by programs that want only families which the guest has", async () => {
    allowServer(80);
    const { stdout, stderr } = await guest.run(`python3 -c '
import socket
for family in (socket.AF_UNSPEC, socket.AF_INET):
    found = socket.getaddrinfo("server.test", 80, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    print([address[0].startswith("198.18.") for *_, address in found])
'`);
    expect(stdout, stderr).toBe("[True]\n[True]\n");
  });

  test("a guest that is offline is told so at once, by name and by address", async () => {
    guest.allow({ mode: "off" });
    const { stdout, use } = await guest.run(`
      curl -sS http://server.test/; echo $?
      curl -sS http://192.0.2.7/; echo
      curl -sS -g 'http://[2001:db8::7]/'; echo
      curl -sS https://192.0.2.7/; echo $?
      python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("192.0.2.7", 9)); s.send(b"x"); s.recv(1)' 2>&1 | tail -1
    `);
    expect(stdout.split("\n")).toEqual([
      "6",
      expect.stringContaining("pyro denied the connection to 192.0.2.7:80: network policy is off."),
      "",
      expect.stringContaining("pyro denied the connection to [2001:db8::7]:80: network policy is off."),
      "",
      "35",
      expect.stringContaining("Connection refused"),
      "",
    ]);
    expect(use?.denied.map(({ host, port, process, howToAllow }) => [host, port, process, howToAllow])).toEqual([
      ["server.test", null, "curl", "--network-policy egress"],
      ["192.0.2.7", 80, "curl", "--network-policy egress --allow-private 192.0.2.7"],
      ["2001:db8::7", 80, "curl", "--network-policy egress --allow-private 2001:db8::7"],
      ["192.0.2.7", 443, "curl", "--network-policy egress --allow-private 192.0.2.7"],
    ]);
  });

  test("what is denied is never connected to, and the result says how to allow it", async () => {
    await using server = await httpServer();
    allowServer(server.port + 1);
    const { stdout, use } = await guest.run(`
      curl -sS http://server.test:${server.port}/
      curl -sS http://server.test/
      curl -sS http://other.test/ || true
    `);
    expect(stdout).toContain("port 80 of server.test is not in --allow-host. The user of this workspace can allow it");
    expect(use?.denied).toMatchObject([
      {
        host: "server.test",
        port: server.port,
        process: "curl",
        howToAllow: `--allow-host server.test:${server.port}`,
      },
      { host: "server.test", port: 80, process: "curl", howToAllow: "--allow-host server.test" },
      { host: "other.test", port: null, rule: "not in --allow-host", howToAllow: "--allow-host other.test" },
    ]);
    expect(server.connectionCount).toBe(0);
  });

  test("nothing that is not public is reached from the whole internet, however it is written", async () => {
    await using onLoopback = await LoopbackServer.listen((socket) => socket.end("reached"), { host: "0.0.0.0" });
    await using onIPv6 = await LoopbackServer.listen((socket) => socket.end("reached"), { host: "::1" });
    const port = onLoopback.port;
    const own = Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address) ?? []);
    const literals = [
      ...["127.0.0.2", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1"],
      ...["172.31.255.255", "192.168.0.1", "192.168.255.255", "169.254.169.254", "169.254.0.1", "100.64.0.1"],
      ...["100.100.100.200", "100.127.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "198.51.100.1"],
      ...["203.0.113.1", "192.88.99.1", "198.18.0.0", "198.19.255.255", "224.0.0.1", "239.255.255.255", "240.0.0.1"],
      ...["255.255.255.255", "::", "fe80::1", "fd00::1", "fd00:ec2::254", "fc00::1", "ff02::1", "fec0::1"],
      ...["::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"],
      ...["64:ff9b:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "3fff::1", "100::1", "::127.0.0.1", "5f00::1"],
      ...own.filter((address) => address !== "127.0.0.1" && address !== "::1"),
    ];
    const names = ["127.1", "0x7f.1", "2130706433", "017700000001", "localhost", "a.localhost", "metadata"];
    guest.names.set("local.test", ["127.0.0.1"]);
    guest.names.set("mapped.test", ["::ffff:127.0.0.1"]);
    guest.names.set("six.test", ["::1"]);
    guest.names.set("metadata.test", ["169.254.169.254"]);
    guest.names.set("metadata", ["169.254.169.254"]);
    guest.names.set("mixed.test", ["10.0.0.1", "127.0.0.1"]);
    guest.allow({ allowHosts: [`*.test:${port}`, `0.0.0.0/0:${port}`, `[::/0]:${port}`] });
    const hosts = [...literals, ...names, "local.test", "mapped.test", "six.test", "metadata.test", "mixed.test"];
    expect(hosts.length).toBeGreaterThan(59);
    const { stdout, stderr, exitCode } = await guest.run(`python3 - <<'END'
import socket
for host in ${JSON.stringify(hosts)}:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.socket(family) as s:
                s.settimeout(3)
                s.connect((host, ${port}))
                s.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
                said = s.recv(1000)
                if said and b"403" not in said: print(host, said)
        except socket.timeout:
            print(host, "timed out")
        except OSError:
            pass
END`);
    expect({ stdout, stderr, exitCode }).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    expect([onLoopback.connectionCount, onIPv6.connectionCount]).toEqual([0, 0]);
  });

  test("a name that changes its mind is judged again at every dial", async () => {
    await using good = await httpServer();
    await using bad = await LoopbackServer.listen((socket) => socket.end("reached"), {
      host: "127.0.0.3",
      port: good.port,
    });
    guest.names.set("rebind.test", [serverHost]);
    guest.allow({ allowHosts: [`rebind.test:${good.port}`], allowPrivate: [serverHost] });
    const url = `http://rebind.test:${good.port}/`;
    expect((await guest.run(`curl -sS ${url}`)).stdout).toBe("hello from outside\n");
    guest.names.set("rebind.test", ["127.0.0.3"]);
    // Python resolves once, and connects to the address that it has kept.
    const { stdout, use } = await guest.run(
      `curl -sS --resolve rebind.test:${good.port}:198.18.1.0 ${url}; curl -sS ${url}`,
    );
    expect(stdout).not.toContain("reached");
    expect(use?.denied.length).toBeGreaterThan(0);
    expect(bad.connectionCount).toBe(0);
  });

  test("each direction ends on its own, also if the server speaks first", async () => {
    await using server = await LoopbackServer.listen((socket) => {
      socket.write("220 ready\n");
      let said = "";
      socket.on("data", (chunk) => {
        said += chunk.toString();
      });
      socket.on("end", () => socket.end(`heard ${said.length}\n`));
    });
    allowServer(server.port);
    const { stdout } = await guest.run(`python3 - <<'END'
import socket
s = socket.create_connection(("server.test", ${server.port}))
print(s.recv(100).decode().strip())
s.sendall(b"x" * 300000)
s.shutdown(socket.SHUT_WR)
print(s.makefile().read().strip(), s.recv(1))
END`);
    expect(stdout).toBe("220 ready\nheard 300000 b''\n");
  });

  test("a server that drips, one that resets and one that is not there are told apart", async () => {
    await using drip = await LoopbackServer.listen((socket) => {
      const letters = [..."slowly"];
      const timer = setInterval(() => {
        const letter = letters.shift();
        if (letter !== undefined) return void socket.write(letter);
        clearInterval(timer);
        socket.end();
      }, 30);
    });
    await using reset = await LoopbackServer.listen((socket) => void setTimeout(() => socket.resetAndDestroy(), 20));
    const gone = await LoopbackServer.listen(() => {});
    const closedPort = gone.port;
    await gone[Symbol.asyncDispose]();
    guest.allow({
      allowHosts: [drip.port, reset.port, closedPort].map((port) => `server.test:${port}`),
      allowPrivate: [serverHost],
    });
    const read = (port: number) => `python3 -c '
import socket
s = socket.create_connection(("server.test", ${port}))
try: print(s.makefile().read())
except OSError as e: print(e.strerror)'`;
    const { stdout, use } = await guest.run([drip.port, reset.port, closedPort].map(read).join("\n"));
    expect(stdout).toBe("slowly\nConnection reset by peer\nConnection reset by peer\n");
    expect(use?.denied).toEqual([]);
    expect(use?.failed).toMatchObject([
      { host: "server.test", port: closedPort, reason: expect.stringContaining("ECONNREFUSED") },
    ]);
  });

  test("two hundred connections at once, each with what belongs to it", async () => {
    await using server = await LoopbackServer.listen((socket) => socket.pipe(socket));
    allowServer(server.port);
    const { stdout, use } = await guest.run(`python3 - <<'END'
import asyncio
async def one(number):
    reader, writer = await asyncio.open_connection("server.test", ${server.port})
    text = (str(number) + ",").encode() * 5000
    writer.write(text); writer.write_eof()
    return await reader.read() == text
async def main():
    print(sum(await asyncio.gather(*(one(n) for n in range(200)))))
asyncio.run(main())
END`);
    expect(stdout).toBe("200\n");
    expect(use?.allowed).toEqual({ "server.test": 200 });
  });

  test("a process that does not read holds up its own connection, and nothing else", async () => {
    let sentBytes = 0;
    await using flood = await LoopbackServer.listen((socket) => {
      const piece = Buffer.alloc(1 << 20);
      const more = () => {
        while (!socket.destroyed && sentBytes < 256 << 20) {
          sentBytes += piece.length;
          if (!socket.write(piece)) break;
        }
      };
      socket.on("drain", more);
      more();
    });
    await using server = await httpServer();
    guest.allow({
      allowHosts: [`server.test:${flood.port}`, `server.test:${server.port}`],
      allowPrivate: [serverHost],
    });
    const { stdout } = await guest.run(`
      python3 -c '
import socket, time
held = [socket.create_connection(("server.test", ${flood.port})) for _ in range(20)]
time.sleep(300)' & held=$!
      sleep 3
      curl -sS http://server.test:${server.port}/
      head -c 3000000 /dev/zero | wc -c
      kill $held
    `);
    expect(stdout).toBe("hello from outside\n3000000\n");
    expect(sentBytes).toBeLessThan(256 << 20);
  });

  test("a connection is for the name that was resolved, and for no other", async () => {
    const ca = makeCertificates(dir);
    const tls = createTlsServer({ key: readFileSync(ca.key), cert: readFileSync(ca.cert) }, (socket) => {
      socket.on("error", () => {});
      socket.end("HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nsecure\n");
    });
    await using server = await LoopbackServer.listen((socket: Socket) => tls.emit("connection", socket));
    await using plain = await httpServer();
    guest.allow({
      allowHosts: [`server.test:${server.port}`, `server.test:${plain.port}`],
      allowPrivate: [serverHost],
    });
    const certificate = readFileSync(ca.ca, "utf8");
    const { stdout, use } = await guest.run(`
      printf '%s' '${certificate}' > /tmp/ca.pem
      url=https://server.test:${server.port}/
      curl -sS --cacert /tmp/ca.pem $url
      curl -sS --cacert /tmp/ca.pem --connect-to evil.test:${server.port}:server.test:${server.port} https://evil.test:${server.port}/ 2>&1
      curl -sS -H 'Host: evil.test' http://server.test:${plain.port}/
    `);
    expect(stdout).toContain("secure\n");
    expect(stdout).toContain("reset by peer");
    expect(stdout).toContain("pyro denied the connection to server.test");
    expect(use?.denied.map(({ rule }) => rule)).toEqual([
      "the connection is for server.test, and its TLS server name is 'evil.test'",
      "the connection is for server.test, and its HTTP host is 'evil.test'",
    ]);
    expect(plain.connectionCount).toBe(1);
  });

  test("a brokered token works for its host, is denied by name for another, and is never in the guest", async () => {
    const heads: string[] = [];
    const tls = createTlsServer({ SNICallback: (name, done) => done(null, outside.contextFor(name)) }, (socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk: Buffer) => {
        heads.push(chunk.toString());
        socket.end(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n${chunk}`);
      });
    });
    await using server = await LoopbackServer.listen((socket: Socket) => tls.emit("connection", socket));
    const { port } = server;
    for (const name of ["api.test", "other.test"]) guest.names.set(name, [serverHost]);
    guest.allow({ allowHosts: ["*.test:1-65535"], allowPrivate: [serverHost] });
    await installCertificates(guest.machine, [{ pem: broker?.authorityPem ?? "" }]);
    const { stdout, stderr, use } = await guest.run(`
      token=${placeholder}
      curl -sS -H "Authorization: Bearer $token" https://api.test:${port}/
      curl -sS -u "me:$token" https://api.test:${port}/
      curl -sS -H "Authorization: Bearer $token" https://other.test:${port}/
    `);
    expect(stderr).toBe("");
    expect(heads).toHaveLength(2);
    expect(heads[0]).toContain(`Bearer ${value}`);
    // The server has said again what it was told.
    expect(stdout).toContain(`Bearer ${placeholder}`);
    expect(stdout).toContain(`pyro denied the request to other.test:${port}: secret 'TOKEN' is not for other.test`);
    expect(use).toMatchObject({
      denied: [{ host: "other.test", port, rule: "secret 'TOKEN' is not for other.test", process: "curl" }],
      secrets: [{ name: "TOKEN", host: "api.test", count: 2 }],
    });
    const found = await inMemoryOf(guest.machine.vm.pid, [placeholder, value, `me:${value}`]);
    expect(found).toEqual([true, false, false]);
  });

  test("authorities of the host are trusted by the guest's programs, also without their variables", async () => {
    const made = makeCertificates(dir);
    const tls = createTlsServer({ key: readFileSync(made.key), cert: readFileSync(made.cert) }, (socket) => {
      socket.on("error", () => {});
      socket.end("HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\nsecure\n");
    });
    await using server = await LoopbackServer.listen((socket: Socket) => tls.emit("connection", socket));
    allowServer(server.port);
    const certificates = await addedCertificates({ dirs: [], files: [made.ca] });
    expect(certificates).toMatchObject([{ subject: "CN=test authority", source: made.ca }]);
    await installCertificates(guest.machine, certificates);
    // A second time changes nothing, as after a stop and a start.
    await installCertificates(guest.machine, certificates);
    const exports = Object.entries(guestVariables("egress", certificates)).map(
      ([name, value]) => `export ${name}='${value}'\n`,
    );
    const { stdout } = await guest.run(`
      url=https://server.test:${server.port}/
      curl -sS $url
      ${exports.join("      ")}
      curl -sS $url
      python3 -c "import urllib.request as u; print(u.urlopen('$url').read().decode(), end='')"
      python3 -c "from pip._vendor import requests as r; print(r.get('$url').text, end='')"
      git ls-remote $url/x 2>&1 | grep -c 'not valid: is this a git repository'
      grep -c "$(sed -n 2p /usr/local/share/ca-certificates/pyro-host-1.crt)" /etc/ssl/certs/ca-certificates.crt
    `);
    expect(stdout).toBe(`${"secure\n".repeat(4)}1\n1\n`);
  });

  test("what the guest serves to itself is its own", async () => {
    guest.allow({});
    const { stdout, use } = await guest.run(`python3 - <<'END'
import socket, threading
def serve(listener):
    while True:
        c, _ = listener.accept(); c.sendall(b"own"); c.close()
for family, bind, addresses in (
    (socket.AF_INET, "0.0.0.0", ["127.0.0.1", "127.9.9.9"]),
    (socket.AF_INET6, "::", ["::1", "127.0.0.1"]),
):
    listener = socket.socket(family); listener.bind((bind, 0)); listener.listen()
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    for address in addresses:
        print(socket.create_connection((address, listener.getsockname()[1])).recv(10).decode())
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("0.0.0.0", 53)); print("53")
try: socket.create_connection(("127.0.0.1", 1))
except OSError as e: print(e.strerror)
END`);
    expect(stdout).toBe("own\nown\nown\nown\n53\nConnection refused\n");
    expect(use).toBeNull();
  });

  test("any name server is the guest's own, over UDP and TCP", async () => {
    guest.allow({ allowHosts: ["server.test"], allowPrivate: [serverHost] });
    const { stdout } = await guest.run(`python3 - <<'END'
import socket, struct
def ask(name, kind=1):
    return b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00" + b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\\x00" + struct.pack(">HH", kind, 1)
def show(answer): print(answer[3] & 15, struct.unpack(">H", answer[6:8])[0], ".".join(map(str, answer[-4:])) if answer[7] else "-")
for server in ("198.18.0.1", "8.8.8.8"):
    for name, kind in (("server.test", 1), ("server.test", 28), ("other.test", 1)):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
        s.sendto(ask(name, kind), (server, 53)); answer, sender = s.recvfrom(500)
        assert sender == (server, 53); show(answer)
s = socket.create_connection(("9.9.9.9", 53)); q = ask("server.test")
s.sendall(struct.pack(">H", len(q)) + q); size = struct.unpack(">H", s.recv(2))[0]; show(s.recv(size))
END`);
    const address = /198\.18\.\d+\.\d+/.exec(stdout)?.[0];
    const three = `0 1 ${address}\n0 0 -\n3 0 -\n`;
    expect(stdout).toBe(`${three}${three}0 1 ${address}\n`);
  });

  test("connections that their process resets at once leave nothing behind", async () => {
    await using server = await httpServer();
    allowServer(server.port);
    const { stdout } = await guest.run(`python3 - <<'END'
import socket, struct
for port in (${server.port}, ${server.port} - 1):
    for number in range(40):
        s = socket.create_connection(("server.test", port))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if number % 2: s.send(b"GET / HTTP/1.1\\r\\n")
        s.close()
print("done")
END`);
    expect(stdout).toBe("done\n");
    await expect.poll(() => guest.egress.open).toEqual([]);
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  test("a change of the policy ends what it denies, and lets in what it allows", async () => {
    let hasHeard = false;
    await using server = await LoopbackServer.listen((socket) => {
      socket.write("on\n");
      // A reset would take what the guest has not read.
      socket.once("data", () => {
        hasHeard = true;
      });
    });
    allowServer(server.port);
    const running = guest.run(`python3 -c '
import socket
s = socket.create_connection(("server.test", ${server.port}))
print(s.recv(10).decode().strip(), flush=True)
s.send(b"heard")
try: s.recv(10)
except OSError as e: print(e.strerror)'`);
    await expect.poll(() => hasHeard, { timeout: 30_000 }).toBe(true);
    // Also what it denies by the address that the name had.
    guest.allow({ allowHosts: [`server.test:${server.port}`], denyHosts: ["127.0.0.0/8"], allowPrivate: [serverHost] });
    expect((await running).stdout).toBe("on\nConnection reset by peer\n");
    await expect.poll(() => server.sockets.size).toBe(0);
    expect(guest.egress.open).toEqual([]);
  });
});

describeWithVm("the end of a machine with connections", () => {
  test("leaves no socket of the host open", async () => {
    await using server = await LoopbackServer.listen((socket) => void socket.write("on\n"));
    await using guest = await NetworkedGuest.open();
    guest.names.set("server.test", [serverHost]);
    guest.allow({ allowHosts: [`server.test:${server.port}`], allowPrivate: [serverHost] });
    const running = guest.run(
      `exec 3<>/dev/tcp/server.test/${server.port}; exec 4<>/dev/tcp/server.test/${server.port}; sleep 300`,
    );
    running.catch(() => {});
    await expect.poll(() => server.sockets.size, { timeout: 30_000 }).toBe(2);
    process.kill(guest.machine.vm.pid, "SIGKILL");
    await expect.poll(() => server.sockets.size, { timeout: 30_000 }).toBe(0);
    await expect.poll(() => guest.egress.open).toEqual([]);
    await expect(running).rejects.toThrow();
  });
});

/** A certificate authority of the test and a certificate of server.test. */
function makeCertificates(dir: string): { readonly ca: string; readonly key: string; readonly cert: string } {
  const path = (name: string) => join(dir, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...newKey, "-keyout", path("ca.key"), "-out", path("ca.pem"), "-subj", "/CN=test authority");
  openssl("req", ...newKey, "-keyout", path("key"), "-out", path("csr"), "-subj", "/CN=server.test");
  writeFileSync(path("names"), "subjectAltName=DNS:server.test");
  const signer = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial"];
  openssl("x509", "-req", "-in", path("csr"), ...signer, "-out", path("cert"), "-extfile", path("names"));
  return { ca: path("ca.pem"), key: path("key"), cert: path("cert") };
}

const memoryChunkBytes = 16 * 1024 * 1024;

/** Whether some texts are anywhere in the memory of a process, such as a virtual machine's. */
async function inMemoryOf(pid: number, texts: readonly string[]): Promise<boolean[]> {
  const found = texts.map(() => false);
  const longest = Math.max(...texts.map((text) => text.length));
  await using memory = await open(`/proc/${pid}/mem`, "r");
  for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
    const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
    const end = Number(`0x${to}`);
    for (let at = Number(`0x${from}`); at < end; at += memoryChunkBytes) {
      const length = Math.min(memoryChunkBytes + longest, end - at);
      const { buffer, bytesRead } = await memory.read(Buffer.alloc(length), 0, length, at);
      const bytes = buffer.subarray(0, bytesRead);
      for (const [index, text] of texts.entries()) found[index] ||= bytes.includes(text);
    }
  }
  return found;
}
