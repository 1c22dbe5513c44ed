import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { redactedMarker } from "../../src/workspaces/secret/rules.ts";
import { TestCache } from "../helpers/cli.ts";
import { describeWithNamespaces } from "../helpers/namespaces/describe.ts";
import { WorkspaceWithoutVm } from "../helpers/namespaces/workspace.ts";
import { printer } from "../helpers/printer.ts";
import { tracesBelow, tracesIn } from "../helpers/secret-traces.ts";
import { type Json, sdkSurface } from "../helpers/surfaces.ts";

const token = 'sk/live+é "quoted" <42> ~end';
const plain = "hunter2-and-more";
const key = `-----BEGIN KEY-----\n${"MIIEvQIBADANBgkq".repeat(4)}\nabcdef\n-----END KEY-----\n`;
const rotated = ["first-of-the-file", "second-of-the-file"] as const;
const issued = ["token-number-one", "token-number-two"] as const;
const values = [token, plain, key, ...rotated, ...issued];

describeWithNamespaces("secrets of a workspace", () => {
  let cache: TestCache;
  let workspace: WorkspaceWithoutVm;
  let filePath: string;
  let issuer: string;
  beforeAll(async () => {
    cache = await TestCache.create();
    await mkdir(join(cache.dir, "host"));
    filePath = join(cache.dir, "host", "value");
    issuer = join(cache.dir, "host", "issue");
    await writeFile(filePath, rotated[0]);
    await issue(issued[0], new Date(Date.now() + 3_600_000));
    const secrets = [
      { name: "TOKEN", value: token, hosts: [], inQuery: false },
      { name: "PLAIN", value: plain, hosts: [], inQuery: false },
      { name: "KEY", value: key, hosts: [], inQuery: false },
      { name: "FILE", filePath, hosts: [], inQuery: false },
      { name: "ISSUED", command: `cat '${issuer}'`, hosts: [], inQuery: false },
    ];
    workspace = await WorkspaceWithoutVm.start(cache, { "old.txt": "before\n" }, { secrets });
    await call("file.write", { path: "print.py", text: printer });
  });
  afterAll(async () => {
    await workspace[Symbol.asyncDispose]();
    await cache[Symbol.asyncDispose]();
  });

  const said: string[] = [];
  const call = async (operation: string, input: object = {}): Promise<Json> => {
    const output = await sdkSurface(cache.env).call(`workspace.${operation}`, {
      workspaceId: workspace.workspaceId,
      ...input,
    });
    said.push(operation === "file.write" ? "" : JSON.stringify(output));
    return output;
  };
  const refusal = async (operation: string, input: object = {}) => {
    const refused = await sdkSurface(cache.env).refusal(`workspace.${operation}`, {
      workspaceId: workspace.workspaceId,
      ...input,
    });
    said.push(JSON.stringify(refused));
    return refused;
  };
  const sh = (script: string, input: object = {}) => call("exec", { command: ["sh", "-c", script], ...input });
  const issue = async (value: string, expires: Date) => {
    await writeFile(`${issuer}.new`, JSON.stringify({ value, expires_at: expires.toISOString() }));
    await rename(`${issuer}.new`, issuer);
  };
  /** Lets a command of the guest say of a text whether it is the one that the host has. */
  const isEqual = async (path: string, value: string) => {
    const hex = Buffer.from(value).toString("hex");
    return (await sh(`[ "$(od -An -v -tx1 ${path} | tr -d ' \\n')" = ${hex} ] && echo same`)).stdout === "same\n";
  };

  test("are files that only root can read, in memory", async () => {
    expect(await isEqual("/run/pyro-secrets/TOKEN", token)).toBe(true);
    expect(await isEqual("/run/pyro-secrets/KEY", key)).toBe(true);
    const { stdout } = await sh(
      "stat -c %a:%U /run/pyro-secrets /run/pyro-secrets/* && stat -f -c %T /run/pyro-secrets",
    );
    expect(stdout.split("\n")).toEqual(["700:root", ...Array(5).fill("400:root"), "tmpfs", ""]);
  });

  test("are named by the status, with where they come from", async () => {
    const { secrets } = await call("status");
    expect(secrets).toEqual([
      { name: "TOKEN", source_kind: "literal", hosts: [], available: true },
      { name: "PLAIN", source_kind: "literal", hosts: [], available: true },
      { name: "KEY", source_kind: "literal", hosts: [], available: true },
      { name: "FILE", source_kind: "file", hosts: [], available: true },
      { name: "ISSUED", source_kind: "command", hosts: [], available: true },
    ]);
  });

  test("are variables of the commands that ask for them, without the line end of a file", async () => {
    const script = `printf %s "$KEY" > /tmp/key; printf %s "$B" > /tmp/token; env | grep -c PLAIN`;
    await sh(script, { secretEnv: { KEY: "KEY", TOKEN: "B" } });
    expect(await isEqual("/tmp/key", key.trimEnd())).toBe(true);
    expect(await isEqual("/tmp/token", token)).toBe(true);
    expect(await sh("printenv KEY || echo unset")).toMatchObject({ stdout: "unset\n" });
  });

  test("that are not there are refused by name, before anything runs", async () => {
    const before = (await call("logs")).count;
    expect(await refusal("exec", { command: ["true"], secretEnv: { NONE: "X" } })).toMatchObject({
      code: "invalid_argument",
      message: "cannot use secret 'NONE': the workspace has no such secret",
      hint: "Use one of TOKEN, PLAIN, KEY, FILE, ISSUED.",
    });
    expect(
      await refusal("service.start", { serviceName: "a", command: ["true"], secretEnv: { NONE: "X" } }),
    ).toMatchObject({ message: "cannot use secret 'NONE': the workspace has no such secret" });
    expect(await refusal("exec", { command: ["true"], env: { X: "1" }, secretEnv: { PLAIN: "X" } })).toMatchObject({
      message: "cannot use secret 'PLAIN': the variable X is given twice",
    });
    expect((await call("logs")).count).toBe(before);
  });

  test.each([
    ["TOKEN", 0],
    ["TOKEN", 1],
    ["PLAIN", 2],
    ["TOKEN", 3],
    ["KEY", 5],
    ["KEY", 64],
    ["PLAIN", 1],
  ])("%s is not in what a command prints, in pieces of %i", async (secret, size) => {
    const ended = await call("exec", {
      command: ["python3", "print.py", String(size)],
      secretEnv: { [secret]: "SECRET" },
    });
    expect(ended.exit_code).toBe(0);
    expect(tracesIn(`${ended.stdout}${ended.stderr}`, values)).toEqual([]);
    expect(ended.stdout).toContain(`<${redactedMarker}>`);
    expect(ended.redacted_count).toBeGreaterThan(30);
    const { entries } = await call("logs", { sequence: ended.sequence });
    expect(entries[0]).toMatchObject({ stdout: ended.stdout, redacted_count: ended.redacted_count });
  });

  test("is not in the record of a command that has it in its text", async () => {
    const { command, start_error, stdout } = await call("exec", { command: ["echo", `x${plain}x`], cwd: "/tmp" });
    expect([command, stdout, start_error]).toEqual([["echo", "x[REDACTED]x"], "x[REDACTED]x\n", null]);
    expect(await call("exec", { command: [`/bin/${plain}`] })).toMatchObject({
      command: ["/bin/[REDACTED]"],
      start_error: expect.stringContaining("[REDACTED]"),
    });
    const elsewhere = await call("exec", { command: ["true"], cwd: `/${plain}` });
    expect([elsewhere.cwd, (await call("status")).last_command.cwd]).toEqual(["/[REDACTED]", "/[REDACTED]"]);
  });

  test("are not in logs, states and failures of a service", async () => {
    const command = `echo "up $SECRET"; printf %s "$SECRET" | base64 >&2; sleep 0.2; exit 3`;
    const failed = await call("service.start", {
      ...{ serviceName: "leaky", command: ["sh", "-c", `: ${plain}; ${command}`] },
      ...{ secretEnv: { PLAIN: "SECRET" }, readyCommand: `echo ${plain}; false`, readyIntervalMs: 50 },
    });
    expect(failed).toMatchObject({
      state: "failed",
      exit_code: 3,
      log_tail: expect.arrayContaining(["up [REDACTED]"]),
    });
    expect(await call("service.logs", { serviceName: "leaky" })).toMatchObject({ service_name: "leaky" });
    expect(await refusal("service.start", { serviceName: plain, command: ["true"] })).toMatchObject({
      message: "cannot use that name of a service: it has the value of a secret in it",
    });
    expect(await refusal("update", { name: plain })).toMatchObject({ code: "invalid_argument" });
    expect(await refusal("snapshot.create", { snapshotName: plain })).toMatchObject({ code: "invalid_argument" });
  });

  test("are not on the screen of a shell, nor in what it prints", async () => {
    const { shell_id: shellId } = await call("shell.open", { secretEnv: { TOKEN: "T", KEY: "K" } });
    await call("shell.write", { shellId, input: 'printf "%s\n" "<$T>" "<$K>"; printf "<$T>" | base64' });
    const wait = { waitFor: "prompt", timeoutSeconds: 20 };
    expect((await call("shell.read", { shellId, plain: true, ...wait })).output).toContain("\n<[REDACTED]>\n");
    expect((await call("shell.read", { shellId, plain: false })).output).toContain("\n<[REDACTED]>\r\n");
    await call("shell.close", { shellId });
  });

  test("are not in files, names and links that are listed, read and compared", async () => {
    await sh(
      [
        `cd /workspace; printf 'a = %s;\\nb\\n' "$P" > in.txt; printf %s "$P" | base64 >> in.txt; touch "dir-$P"`,
        `ln -s "/$P" link; cp /run/pyro-secrets/KEY key.pem; printf 'x%sy' "$T" > token.txt`,
      ].join("; "),
      { secretEnv: { PLAIN: "P", TOKEN: "T" } },
    );
    expect(await call("file.read", { path: "in.txt" })).toMatchObject({
      content: expect.stringMatching(/^a = \[REDACTED\];\nb\n\[REDACTED\]/),
      redacted_count: 2,
      next_offset: null,
    });
    const { entries, redacted_count: named } = await call("file.list");
    expect(named).toBe(2);
    expect(entries).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ path: "/workspace/dir-[REDACTED]" }),
        expect.objectContaining({ path: "/workspace/link", link_target: "/[REDACTED]" }),
      ]),
    );
    const diff = await call("diff");
    expect(diff.redacted_count).toBe(6);
    expect(diff.patch).toContain("+a = [REDACTED];\n");
    expect(diff.patch).toContain("+[REDACTED]\n");
    expect(diff.patch).toContain("+x[REDACTED]y\n");
    expect((await call("summary")).changes.redacted_count).toBe(6);
  });

  test("are not in pages of a file, wherever those begin and end", async () => {
    const { size_bytes: size } = await call("file.read", { path: "token.txt" });
    for (const maxBytes of [1, 5, 7]) {
      let content = "";
      for (let offset: number | null = 0; offset !== null; ) {
        const page: Json = await call("file.read", { path: "token.txt", offset, maxBytes });
        content += page.content;
        offset = page.next_offset;
      }
      expect(content).toBe("x[REDACTED]y");
    }
    const from = async (offset: number) =>
      (await call("file.read", { path: "token.txt", offset, maxBytes: 1 })).content;
    expect([await from(0), await from(1), await from(5), await from(size - 2), await from(size - 1)]).toEqual([
      "x",
      "[REDACTED]",
      "[REDACTED]",
      "[REDACTED]",
      "y",
    ]);
  });

  test("are kept by edits around them, and not overwritten by what stands for them", async () => {
    await call("file.edit", { path: "in.txt", oldText: "b\n", newText: "c\n" });
    expect(await sh(`grep -c "$P" in.txt`, { secretEnv: { PLAIN: "P" } })).toMatchObject({ stdout: "1\n" });
    const marked = `a = ${redactedMarker};\n`;
    const message = /^cannot .*: \[REDACTED\] stands for a secret's value, and would be written over it$/;
    expect((await refusal("file.write", { path: "in.txt", text: marked })).message).toMatch(message);
    expect((await refusal("file.edit", { path: "in.txt", oldText: marked, newText: "x" })).message).toMatch(message);
    const patch = `--- a/in.txt\n+++ b/in.txt\n@@ -1,2 +1,2 @@\n-${marked} c\n+${marked} d\n`;
    expect((await refusal("patch.apply", { patch })).message).toMatch(message);
    const wrong = `--- a/in.txt\n+++ b/in.txt\n@@ -1,3 +1,3 @@\n a = other;\n-c\n+d\n`;
    expect((await refusal("patch.apply", { patch: wrong })).message).toContain("in.txt");
    expect((await refusal("file.edit", { path: "in.txt", oldText: "a = hunter;\nc", newText: "" })).message).toContain(
      "in.txt",
    );
  });

  test("leave with an export only if the user says so", async () => {
    const output = (name: string) => join(cache.dir, "host", name);
    for (const [path, shown, what] of [
      ["in.txt", "/workspace/in.txt", "the content"],
      ["key.pem", "/workspace/key.pem", "the content"],
      ["link", "/workspace/link", "a name or link"],
      [".", "/workspace/", ""],
    ] as const) {
      const refused = await refusal("export", { path, outputPath: output("refused") });
      expect(refused.message).toMatch(
        new RegExp(`^cannot export '${shown}.*': ${what}.* has the value of a secret in it$`),
      );
    }
    await call("export", { path: "old.txt", outputPath: output("old.txt") });
    await call("export", { path: "in.txt", outputPath: output("in.txt"), allowSecrets: true });
    expect(await readFile(output("in.txt"), "utf8")).toContain(plain);
  });

  test("are read again from a file that has changed, and from a command before its value expires", async () => {
    const both = { secretEnv: { FILE: "FILE", ISSUED: "ISSUED" } };
    const script = `printf %s "$FILE" > /tmp/file; printf %s "$ISSUED" > /tmp/issued`;
    await sh(script, both);
    expect([await isEqual("/tmp/file", rotated[0]), await isEqual("/tmp/issued", issued[0])]).toEqual([true, true]);
    await writeFile(`${filePath}.new`, rotated[1]);
    await rename(`${filePath}.new`, filePath);
    await issue(issued[1], new Date());
    await sh(script, both);
    // The command's value lasts for an hour, so it is not asked again.
    expect([await isEqual("/tmp/file", rotated[1]), await isEqual("/tmp/issued", issued[0])]).toEqual([true, true]);
    expect(await isEqual("/run/pyro-secrets/FILE", rotated[1])).toBe(true);
    // The guest can have kept the old value, which is still a secret.
    expect((await sh(`echo ${rotated[0]}; cat /tmp/file`)).stdout).toBe("[REDACTED]\n[REDACTED]");
  });

  test("get new values from a caller while the workspace runs", async () => {
    await issue(issued[1], new Date(Date.now() + 1_000));
    await call("start", { secrets: [{ name: "ISSUED", command: `cat '${issuer}'`, hosts: [] }] });
    expect(await isEqual("/run/pyro-secrets/ISSUED", issued[1])).toBe(true);
    await issue(issued[0], new Date(Date.now() + 3_600_000));
    await sh(`printf %s "$X" > /tmp/issued`, { secretEnv: { ISSUED: "X" } });
    expect(await isEqual("/tmp/issued", issued[0])).toBe(true);
  });

  test("that cannot be read any more are refused, and the others are not", async () => {
    await rename(filePath, `${filePath}.gone`);
    const refused = await refusal("exec", { command: ["true"], secretEnv: { FILE: "X" } });
    expect(refused.message).toMatch(/^cannot use secret 'FILE': cannot read '.*'/);
    expect(await sh("echo on", { secretEnv: { PLAIN: "X" } })).toMatchObject({ stdout: "on\n" });
  });

  test("are in no result, no error and no file of the state folder but the disk", async () => {
    await call("logs");
    await call("network");
    expect(tracesIn(said.join("\n"), values)).toEqual([]);
    // Where they are, they are found.
    expect(tracesBelow(join(cache.dir, "host"), values)).not.toEqual([]);
    expect(tracesBelow(cache.dir, values, /^host(?:\/|$)|\/disks(?:\/|$)/)).toEqual([]);
  });
});
