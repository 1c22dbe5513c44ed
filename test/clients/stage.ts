import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, inject } from "vitest";
import { pyroPath } from "../helpers/cli.ts";
import { Workbench } from "../helpers/workbench.ts";
import type { Client, Prompt, ServerCommand } from "./drive/client.ts";
import { startedWith } from "./drive/process-tree.ts";
import { Session } from "./drive/session.ts";
import type { ModelView } from "./model/api.ts";
import type { Story } from "./model/story.ts";
import { makeProject } from "./project.ts";

interface PlayOptions {
  readonly prompt?: Prompt;
  /** More of the server's environment */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a model saw from the beginning to the end of a session. */
export interface Transcript {
  /** When it was asked for its first move */
  readonly first: ModelView;
  readonly results: readonly string[];
  /** The client's own output */
  readonly stdout: string;
}

/**
 * Where stories are played: a project, workspaces of its own, and any number of clients one after
 * another.
 */
export class Stage implements AsyncDisposable {
  readonly bench: Workbench;
  readonly projectDir: string;
  #sessionCount = 0;

  private constructor(bench: Workbench) {
    this.bench = bench;
    this.projectDir = bench.hostPath("project");
  }

  static async create(): Promise<Stage> {
    const stage = new Stage(await Workbench.create());
    await mkdir(stage.projectDir);
    makeProject(stage.projectDir);
    return stage;
  }

  /**
   * Plays a story to its end, which must be a good one: every call was made, and the client was
   * content.
   */
  async play(client: Client, story: Story, options: PlayOptions = {}): Promise<Transcript> {
    await using session = await this.begin(client, story, options);
    const { exitCode, stdout, stderr } = await session.ended;
    const { views, problems } = session.model;
    await this.#keep(client, story, views.at(-1));
    expect(problems, stderr).toEqual([]);
    expect(exitCode, stderr).toBe(0);
    const [first, last] = [views[0], views.at(-1)];
    if (!first || !last) throw new Error(`${client.name} never asked its model for anything: ${stdout}${stderr}`);
    expect(last.results, stderr).toHaveLength(story.length);
    return { first, results: last.results, stdout };
  }

  /** Starts a story, and leaves it to its caller. */
  async begin(client: Client, story: Story, options: PlayOptions = {}): Promise<Session> {
    const { prompt = { text: "Begin." }, env = {} } = options;
    this.#sessionCount += 1;
    return Session.start({
      client,
      story,
      prompt,
      projectDir: this.projectDir,
      server: this.serverCommand(env),
      binDir: join(inject("clientPaths").clients, "node_modules/.bin"),
      homeDir: this.bench.hostPath(`home-${this.#sessionCount}`),
    });
  }

  /** As a user would have it in a client's configuration, but for where things are kept. */
  serverCommand(env: Readonly<Record<string, string>> = {}): ServerCommand {
    return {
      command: process.execPath,
      args: [pyroPath, "mcp", "serve", "--mode", "repro-fix"],
      env: { ...this.bench.env, ...env },
    };
  }

  /** All workspaces are gone, with their files and processes, and so are clients and servers. */
  async expectNothingLeft(): Promise<void> {
    expect(await this.bench.json(["list"])).toMatchObject({ count: 0 });
    expect(await this.bench.leftovers()).toEqual([]);
    expect(await this.bench.processes()).toEqual([]);
    // A server notices after its client's end that it is not needed any more.
    await expect.poll(() => startedWith(this.bench.cache.dir), { timeout: 10_000 }).toEqual([]);
  }

  /** For people: what the model saw, in the folder that CLIENTS_TRANSCRIPTS names. */
  async #keep(client: Client, story: Story, last: ModelView | undefined): Promise<void> {
    const dir = process.env["CLIENTS_TRANSCRIPTS"];
    if (dir === undefined || !last) return;
    const calls = last.results.map((result, index) => {
      const { tool, args } = story[index] ?? { tool: "?", args: {} };
      return `>>> ${tool} ${JSON.stringify(args)}\n${result}\n`;
    });
    await mkdir(dir, { recursive: true });
    const path = join(dir, `${client.name} ${Date.now()}.txt`);
    await writeFile(path, [last.system, `>>> ${last.prompt}`, ...calls].join("\n\n"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bench[Symbol.asyncDispose]();
  }
}
