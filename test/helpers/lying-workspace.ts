import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import http2 from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { AgentClient } from "../../src/guest/agent.ts";
import type { EngineContext } from "../../src/machines/context.ts";
import type { Machine } from "../../src/machines/machine.ts";
import type { DriverFeatures } from "../../src/vm/features.ts";
import { owners } from "../../src/workspaces/control/main.ts";
import { OwnedWorkspace } from "../../src/workspaces/control/owned-workspace.ts";
import { ControlServer } from "../../src/workspaces/control/server.ts";
import { saveWorkspace, WorkspacePlace } from "../../src/workspaces/record/store.ts";
import { closedEgress } from "./closed-egress.ts";
import { engineContext } from "./engine-context.ts";
import { workspaceRecord } from "./workspace-record.ts";

/** How a guest answers a request: it can say anything. */
export type Answer = (stream: http2.ServerHttp2Stream, path: string) => Promise<void> | void;

const workspaceId = "0123456789ab";

const features: DriverFeatures = {
  vmm: "none",
  version: "0",
  path: "/none",
  fingerprint: "none",
  accelerators: [],
  snapshots: false,
  liveLayers: true,
  layeredDisks: false,
  addedDisks: false,
  mapsReadOnlyMemory: false,
};

/**
 * A workspace with a real supervisor's code and real callers, and in place of the machine an agent
 * that lies.
 */
export class LyingWorkspace implements AsyncDisposable {
  readonly context: EngineContext;
  readonly workspaceId = workspaceId;
  /** Folder for exports, beside files that must stay as they are */
  readonly outDir: string;
  readonly #dir: string;
  readonly #guestPath: string;
  readonly #guest = http2.createServer();
  #client: AgentClient | undefined;
  #answer: Answer = (stream) => stream.close();
  #server: ControlServer | undefined;

  private constructor(dir: string) {
    this.#dir = dir;
    this.outDir = join(dir, "out");
    this.#guestPath = join(dir, "guest.sock");
    this.context = engineContext(dir);
  }

  static async begin(): Promise<LyingWorkspace> {
    const workspace = new LyingWorkspace(await mkdtemp(join(tmpdir(), "pyro-lies-")));
    await workspace.#serve();
    return workspace;
  }

  get call() {
    return { context: this.context, workspaceId };
  }

  get dir(): string {
    return this.#dir;
  }

  /**
   * From now on the guest answers so; it also has a new connection, as the old one may be spoiled.
   */
  answers(answer: Answer): void {
    this.#answer = answer;
    this.#connect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.close();
    this.#guest.close();
    await this.#server?.close(0);
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #serve(): Promise<void> {
    const place = new WorkspacePlace(this.context.layout.workspacesDir, workspaceId);
    const record = workspaceRecord({ workspaceId, memMib: 256, isolation: null });
    await mkdir(place.disksDir, { recursive: true });
    await mkdir(this.outDir);
    await writeFile(place.lockPath, "");
    await writeFile(place.layerPath("empty.qcow2"), "");
    await saveWorkspace(place, record);
    await this.#listen();
    this.#connect();
    const machine = this.#machine();
    const workspace = await OwnedWorkspace.begin({
      context: this.context,
      place,
      record,
      machine,
      egress: await closedEgress(),
      certificates: undefined,
    });
    this.#server = await ControlServer.listen(place.dir);
    this.#server.serve(owners.flatMap((owner) => owner(workspace)));
  }

  /** Over a real socket, as to a real machine. */
  #connect(): void {
    this.#client?.close();
    this.#client = new AgentClient(connect(this.#guestPath));
  }

  async #listen(): Promise<void> {
    this.#guest.on("sessionError", () => {});
    this.#guest.on("stream", (stream, headers) => {
      stream.on("error", () => {
        // The host has hung up, as it should.
      });
      void this.#answer(stream, String(headers[http2.constants.HTTP2_HEADER_PATH]));
    });
    this.#guest.listen(this.#guestPath);
    await once(this.#guest, "listening");
  }

  #machine(): Machine {
    const current = () => this.#client as AgentClient;
    const close = async () => current().close();
    return {
      get agent() {
        return current();
      },
      vm: {
        pid: process.pid,
        agentStream: duplexPair()[0],
        exited: new Promise(() => {}),
        stop: close,
        pushWorkspaceLayer: async () => {},
        [Symbol.asyncDispose]: close,
      },
      features,
      isolation: { vmm: "none", accelerator: "tcg" },
      info: () => current().info(),
      exec: (spec, options) => current().exec(spec, options),
      close,
      [Symbol.asyncDispose]: close,
    };
  }
}

/** Answers with these bytes, and goes away as told. */
export function saying(
  chunks: readonly Buffer[],
  ending: "end" | "reset" | "vanish" | "stay" = "end",
  status = 200,
): Answer {
  return (stream) => {
    stream.respond({ ":status": status });
    for (const chunk of chunks) stream.write(chunk);
    if (ending === "end") stream.end();
    if (ending === "reset") stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    if (ending === "vanish") stream.session?.destroy();
  };
}

/** Never stops saying the same, at the pace of its reader. */
export function sayingForEver(first: readonly Buffer[], next: () => Buffer): Answer {
  return async (stream) => {
    const closing = new AbortController();
    stream.once("close", () => closing.abort());
    stream.respond({ ":status": 200 });
    for (const chunk of first) stream.write(chunk);
    while (!stream.destroyed) {
      if (stream.write(next())) continue;
      await once(stream, "drain", { signal: closing.signal }).catch(() => {});
    }
  };
}
