import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../helpers/surfaces.ts";
import type { WorkspaceUnderTest } from "./workspace.ts";

/** A program with a menu on the whole screen, of which Enter chooses the marked line. */
const menu = `
import curses
def main(screen):
    chosen = 0
    while True:
        screen.clear()
        for row, word in enumerate(["apple", "pear", "plum"]):
            screen.addstr(row + 2, 4, ("> " if row == chosen else "  ") + word)
        key = screen.getch()
        if key == curses.KEY_DOWN: chosen += 1
        elif key in (10, 13): return chosen
print("chosen:", curses.wrapper(main))
`;

/** What shells of a workspace do, in a VM and without one. */
export function describeShells(open: () => Promise<WorkspaceUnderTest>): void {
  let subject: WorkspaceUnderTest;
  let shellId: string;
  let cursor = 0;
  beforeAll(async () => {
    subject = await open();
    await call("file.write", { path: "menu.py", text: menu });
    ({ shell_id: shellId } = await call("shell.open"));
  });
  afterAll(async () => {
    await subject[Symbol.asyncDispose]();
  });
  const call = (operation: string, input: Record<string, unknown> = {}): Promise<Json> =>
    subject.bench.sdk.call(`workspace.${operation}`, { workspaceId: subject.workspaceId, ...input });
  const refusal = (operation: string, input: Record<string, unknown> = {}) =>
    subject.bench.sdk.refusal(`workspace.${operation}`, { workspaceId: subject.workspaceId, ...input });
  /** Reads what there is since the last look, once the shell waits for something. */
  const look = async (more: Record<string, unknown> = {}): Promise<Json> => {
    const read = await call("shell.read", { shellId, cursor, plain: true, waitFor: "input", ...more });
    cursor = read.next_cursor;
    return read;
  };
  const type = async (input: string, more: Record<string, unknown> = {}): Promise<void> => {
    await call("shell.write", { shellId, input, ...more });
  };
  const run = async (input: string): Promise<Json> => {
    await type(input);
    return look({ waitFor: "prompt" });
  };

  test("open at a prompt, in the directory and the size that were asked for", async () => {
    const read = await look();
    expect(read).toMatchObject({
      ...{ shell_id: shellId, state: "running", cwd: "/workspace", cols: 120, rows: 30, exit_code: null },
      ...{ wait_end: "prompt", last_exit_code: null, foreground: { state: "prompt" }, truncated: false },
      screen: { alternate: false },
    });
    expect(read.output).toMatch(/[#$]$/);
    expect((await run("stty size; tty; echo $TERM $PAGER")).output).toMatch(
      /\n30 120\n\/dev\/pts\/\d+\nxterm-256color cat\n/,
    );
  });

  test("keep their directory and variables, and tell how each command ended", async () => {
    await run("cd /tmp; word=kept");
    const read = await run("echo $PWD $word; (exit 7)");
    expect(read).toMatchObject({ wait_end: "prompt", last_exit_code: 7 });
    expect(read.output).toContain("/tmp kept\n");
    expect(await run("")).toMatchObject({ last_exit_code: 7 });
  });

  test("ask for a line, and for one that is not shown", async () => {
    await type("read -r name; read -rs secret; echo; echo $name:$secret");
    expect(await look()).toMatchObject({ wait_end: "input", foreground: { state: "input" } });
    await type("an answer");
    expect(await look()).toMatchObject({ wait_end: "password", foreground: { state: "password" } });
    await type("hidden words");
    const read = await look();
    expect(read).toMatchObject({ wait_end: "prompt", last_exit_code: 0 });
    expect(read.output.match(/hidden words/g)).toHaveLength(1);
    expect(read.output).toContain("an answer:hidden words\n");
  });

  test("show as working what works, until a signal ends it", async () => {
    await type("while :; do sleep 0.1; done");
    const working = await call("shell.read", { shellId, cursor, plain: true, waitFor: "prompt", timeoutSeconds: 0.5 });
    expect(working).toMatchObject({ wait_end: "timeout", foreground: { state: "working" } });
    const { process_group: group, signal_sent: sent } = await call("shell.signal", { shellId });
    expect({ group, sent }).toEqual({ group: expect.any(Number), sent: "INT" });
    expect(await look()).toMatchObject({ wait_end: "prompt", last_exit_code: 130 });
    await type("sleep 1000");
    await expect
      .poll(() => call("shell.read", { shellId, cursor, plain: true }), { timeout: 30_000 })
      .toMatchObject({ foreground: { command: "sleep 1000", state: "working" } });
    await type("\u0003", { appendNewline: false });
    expect(await look()).toMatchObject({ last_exit_code: 130 });
  });

  test("run programs that take the whole screen, and give the lines before it back", async () => {
    await run("echo before the menu");
    await type("python3 /workspace/menu.py");
    const shown = await look();
    expect(shown).toMatchObject({ wait_end: "input", screen: { alternate: true } });
    expect(shown.output).toMatch(/^\n\n {4}> apple\n {6}pear\n {6}plum$/);
    await type("\u001b[B", { appendNewline: false });
    expect((await look()).output).toMatch(/ {6}apple\n {4}> pear/);
    await type("");
    const after = await look();
    expect(after).toMatchObject({ wait_end: "prompt", screen: { alternate: false }, last_exit_code: 0 });
    expect(after.output).toContain("before the menu\n");
    expect(after.output).toContain("chosen: 1\n");
  });

  test("run a program that has a prompt of its own", async () => {
    await type("python3 -q");
    expect(await look()).toMatchObject({ wait_end: "prompt", foreground: { command: "python3 -q" } });
    await type("print(6 * 7)");
    const answer = await look();
    expect(answer.output).toMatch(/\n42\n>>>$/);
    await type("\u0004", { appendNewline: false });
    expect(await look()).toMatchObject({ wait_end: "prompt", foreground: { pid: expect.any(Number) } });
  });

  test("show a progress bar as it looks in the end, and long lines whole", async () => {
    const read = await run(String.raw`for i in 1 5 9; do printf '\r%s0%%' $i; sleep 0.05; done; printf '\n%0200d\n' 7`);
    expect(read.output).toContain(`\n90%\n${"0".repeat(199)}7\n`);
  });

  test("give raw bytes too, from any position, in pieces", async () => {
    const { cursor: start } = await call("shell.write", { shellId, input: "printf 'a\\033[31mb\\303\\251\\n'" });
    await look();
    let text = "";
    for (let at = start, isMore = true; isMore; ) {
      const piece = await call("shell.read", { shellId, cursor: at, maxChars: 7 });
      expect(piece.cursor).toBe(at);
      text += piece.output;
      at = piece.next_cursor;
      isMore = piece.truncated;
    }
    expect(text).toContain("a\u001b[31mbé\r\n");
    const at = start + Buffer.byteLength(text.slice(0, text.indexOf("é")));
    expect(await call("shell.read", { shellId, cursor: at, maxChars: 1 })).toMatchObject({ output: "é" });
    expect(await refusal("shell.read", { shellId, cursor: 1e9 })).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/^cannot read from cursor 1000000000: the shell has printed \d+ bytes$/),
    });
  });

  test("keep the last of a flood, and say what is not kept", async () => {
    const from = cursor;
    const read = await run("seq 200000");
    expect(read.output).toMatch(/\n199999\n200000\n/);
    const raw = await call("shell.read", { shellId, cursor: from, maxChars: 10 });
    expect(raw).toMatchObject({ truncated: true, cursor: raw.oldest_cursor });
    expect(raw.oldest_cursor).toBeGreaterThan(from);
    expect(read.next_cursor - raw.oldest_cursor).toBeGreaterThanOrEqual(1024 * 1024);
  });

  test("are resized while a program runs", async () => {
    await run("clear");
    await type("trap 'stty size' WINCH");
    await look();
    expect(await call("shell.resize", { shellId, cols: 60, rows: 20 })).toMatchObject({ cols: 60, rows: 20 });
    expect((await run("stty size")).output).toContain("20 60\n");
  });

  test("wait until it is quiet", async () => {
    await type("for i in 1 2 3; do echo tick $i; sleep 0.1; done; sleep 100");
    const read = await look({ waitFor: undefined, waitForIdleMs: 1_500 });
    expect(read).toMatchObject({ wait_end: "idle", wait_for_idle_ms: 1_500, foreground: { state: "working" } });
    expect(read.output).toContain("tick 3");
    await call("shell.signal", { shellId, signal: "INT" });
    await look();
  });

  test("end with their own exit code, and can still be read", async () => {
    await type("exit 5");
    const read = await look();
    expect(read).toMatchObject({ state: "exited", exit_code: 5, wait_end: "exited", foreground: null });
    expect(await refusal("shell.write", { shellId, input: "x" })).toMatchObject({
      code: "failed_precondition",
      message: `shell '${shellId}' has ended with exit code 5`,
    });
    expect(await call("shell.close", { shellId })).toMatchObject({ closed: true, exit_code: 5 });
    expect(await refusal("shell.read", { shellId })).toMatchObject({ code: "not_found" });
  });

  test("are at most eight at once, and closing ends what runs in them", async () => {
    const opened = await Promise.all(Array.from({ length: 8 }, () => call("shell.open", { cwd: "/" })));
    const shells = opened.map(({ shell_id: id }) => id);
    expect(await refusal("shell.open")).toMatchObject({ code: "resource_exhausted" });
    expect((await call("shell.list")).shells).toHaveLength(8);
    await call("shell.write", { shellId: shells[0], input: "trap '' HUP; nohup sleep 4321 & sleep 4321" });
    await expect
      .poll(() => call("shell.read", { shellId: shells[0] }), { timeout: 30_000 })
      .toMatchObject({ foreground: { command: "sleep 4321" } });
    // Here the shell itself ends at once.
    await call("shell.write", {
      shellId: shells[1],
      input: "nohup sleep 4321 > /dev/null & setsid nohup sleep 4321 &",
    });
    await call("shell.read", { shellId: shells[1], waitFor: "prompt" });
    await Promise.all(shells.map((id) => call("shell.close", { shellId: id })));
    const { stdout } = await call("exec", { command: ["sh", "-c", "pgrep -fc '[s]leep 4321' || true"] });
    expect(stdout).toBe("0\n");
    expect((await call("shell.list")).shells).toEqual([]);
  });

  test("refuse a directory that is not there", async () => {
    expect(await refusal("shell.open", { cwd: "missing" })).toMatchObject({
      code: "failed_precondition",
      message: expect.stringMatching(/^cannot open a shell: .*missing/),
    });
  });
}
