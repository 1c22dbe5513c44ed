import type { ChildProcess } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type Ending, endingOf, killGroup, spawnTied } from "../../../src/host/process.ts";
import { ModelServer } from "../model/server.ts";
import type { Story } from "../model/story.ts";
import type { Client, Prompt, ServerCommand } from "./client.ts";
import { killIfStill, killTree, killTreeExcept } from "./process-tree.ts";

export interface SessionOptions {
  readonly client: Client;
  readonly story: Story;
  readonly prompt: Prompt;
  readonly server: ServerCommand;
  readonly binDir: string;
  /** Does not exist yet; keeps what the client writes for itself */
  readonly homeDir: string;
  /** What the user has opened */
  readonly projectDir: string;
}

export interface SessionEnd extends Ending {
  readonly stdout: string;
  readonly stderr: string;
}

/** The clients take some seconds to start, and a virtual machine some more on a loaded host */
const sessionTimeoutMs = 100_000;

/** A client at work, with the model that it asks; both end with it. */
export class Session implements AsyncDisposable {
  readonly model: ModelServer;
  /** Rejects when the client has not ended in time */
  readonly ended: Promise<SessionEnd>;
  readonly #child: ChildProcess;
  /** As on its command line */
  readonly #serverWords: string;
  #spared: readonly number[] = [];

  private constructor(model: ModelServer, child: ChildProcess, server: ServerCommand) {
    this.model = model;
    this.#child = child;
    this.#serverWords = server.args.join(" ");
    // Now, as later the number of the group may be another's
    child.once("exit", () => {
      if (this.#spared.length === 0) killGroup(child, "SIGKILL");
    });
    this.ended = this.#untilEnd();
    // A test that only kills it does not wait for that.
    this.ended.catch(() => {});
  }

  static async start(options: SessionOptions): Promise<Session> {
    const { client, story, server, homeDir, projectDir } = options;
    const tmpDir = join(homeDir, "tmp");
    await mkdir(tmpDir, { recursive: true });
    const model = await ModelServer.start(client.api, story);
    try {
      const { command, env } = await client.prepare({ ...options, modelUrl: model.url });
      const child = spawnTied(command, "KILL", {
        cwd: projectDir,
        // Nothing of ours: they change what they do in another agent's session, and must not reach
        // the network.
        env: { PATH: process.env["PATH"], HOME: homeDir, TMPDIR: tmpDir, LANG: "C.UTF-8", ...offline, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      return new Session(model, child, server);
    } catch (error) {
      await model[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * SIGKILL to the client alone, as when it crashes; its MCP server should end when it finds that
   * out.
   */
  async killClient(): Promise<void> {
    this.#spared = await killTreeExcept(this.#pid, this.#serverWords);
  }

  /** SIGKILL to the client and everything that descends from it, as some clients end theirs. */
  async killTree(): Promise<void> {
    await killTree(this.#pid);
  }

  get #pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error("the client was not started");
    return pid;
  }

  async #untilEnd(): Promise<SessionEnd> {
    const { stdout, stderr } = this.#child;
    if (!stdout || !stderr) throw new Error("the client has no output");
    const timer = setTimeout(() => {
      this.model.problems.push(`the client was killed after ${sessionTimeoutMs} ms`);
      killTree(this.#pid).catch(() => {});
      // Whatever it has left behind may hold them open.
      for (const stream of [stdout, stderr]) stream.destroy();
    }, sessionTimeoutMs);
    try {
      const [ending, out, err] = await Promise.all([endingOf(this.#child, "client"), text(stdout), text(stderr)]);
      return { ...ending, stdout: out, stderr: err };
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.killTree();
    await killIfStill(this.#spared, this.#serverWords);
    await this.model[Symbol.asyncDispose]();
  }
}

/** A proxy that refuses connections, for everything but the loopback interface. */
const offline = {
  HTTP_PROXY: "http://127.0.0.1:9",
  HTTPS_PROXY: "http://127.0.0.1:9",
  NO_PROXY: "127.0.0.1,localhost",
  http_proxy: "http://127.0.0.1:9",
  https_proxy: "http://127.0.0.1:9",
  no_proxy: "127.0.0.1,localhost",
};
