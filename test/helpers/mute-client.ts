import { type ChildProcess, spawn } from "node:child_process";
import { onTestFinished } from "vitest";
import { pyroPath } from "./cli.ts";
import { killIfThere } from "./processes.ts";

/** A client of `pyro mcp serve` that reads nothing unless its test does. */
export class MuteClient {
  readonly child: ChildProcess;

  /** The server's output may go through a real pipe to another program, a command for the shell. */
  constructor(env: Readonly<Record<string, string>>, reader?: string) {
    const server = [process.execPath, pyroPath, "mcp", "serve", "--no-project-source"];
    const [program = "", ...args] = reader ? ["sh", "-c", `"$@" | exec ${reader}`, "sh", ...server] : server;
    this.child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    });
    this.child.stdin?.on("error", () => {
      // the server has ended
    });
    this.child.stderr?.resume();
    onTestFinished(() => {
      if (this.child.exitCode === null) killIfThere(-(this.child.pid ?? 0));
    });
    const clientInfo = { name: "mute", version: "1" };
    const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo };
    this.say({ id: 0, method: "initialize", params }, { method: "notifications/initialized" });
  }

  say(...messages: readonly object[]): void {
    this.child.stdin?.write(messages.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`).join(""));
  }

  call(id: number, name: string, args: object): void {
    this.say({ id, method: "tools/call", params: { name, arguments: args } });
  }

  /** Requests 1 to `count`, with answers of some 40 KB each, far more than fits into a pipe. */
  flood(count: number): void {
    for (let id = 1; id <= count; id += 1) this.say({ id, method: "tools/list" });
  }
}
