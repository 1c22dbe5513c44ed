import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { layoutFromEnvironment } from "../../../src/host/layout.ts";
import { bootMachine } from "../../../src/machines/machine.ts";
import type { Disk } from "../../../src/vm/driver.ts";
import { owners } from "../../../src/workspaces/control/main.ts";
import { OwnedWorkspace } from "../../../src/workspaces/control/owned-workspace.ts";
import { ControlServer } from "../../../src/workspaces/control/server.ts";
import { type Kind, newId } from "../../../src/workspaces/record/kind.ts";
import { saveWorkspace, WorkspacePlace } from "../../../src/workspaces/record/store.ts";
import { type GivenSecret, readGiven } from "../../../src/workspaces/secret/given.ts";
import { WorkspaceSecrets } from "../../../src/workspaces/secret/secrets.ts";
import type { WorkspaceUnderTest } from "../../cases/workspace.ts";
import type { TestCache } from "../cli.ts";
import { closedEgress } from "../closed-egress.ts";
import { engineContext } from "../engine-context.ts";
import { Workbench } from "../workbench.ts";
import { makeWorkspaceImage } from "../workspace-image.ts";
import { workspaceRecord } from "../workspace-record.ts";
import { namespaceDriver } from "./driver.ts";

const bootTimeoutMs = 30_000;
const shape = { vcpuCount: 1, memMib: 256 };

/**
 * A running workspace without a VM. Agent, supervisor's code and callers are the real ones, and
 * every surface reaches it by the variables of its cache. It cannot reset, snapshot or start again,
 * which need a driver of machines.
 */
export class WorkspaceWithoutVm implements AsyncDisposable {
  readonly workspaceId: string;
  readonly #workspace: OwnedWorkspace;
  readonly #server: ControlServer;

  private constructor(workspace: OwnedWorkspace, server: ControlServer) {
    this.workspaceId = workspace.record.workspaceId;
    this.#workspace = workspace;
    this.#server = server;
  }

  /** Starts a workspace in a cache, which must outlive it; it begins with these files. */
  static async start(
    cache: TestCache,
    files: Readonly<Record<string, string>> = {},
    {
      diskMib = 1024,
      kind = "workspace",
      secrets: given = [],
    }: { diskMib?: number; kind?: Kind; secrets?: readonly GivenSecret[] } = {},
  ): Promise<WorkspaceWithoutVm> {
    const { agentPath } = layoutFromEnvironment(process.env);
    const context = engineContext(cache.dir, { layout: layoutFromEnvironment(cache.env) });
    const workspaceId = newId(kind);
    const place = new WorkspacePlace(context.layout.workspacesDir, workspaceId);
    await mkdir(place.disksDir, { recursive: true });
    await writeFile(place.lockPath, "");
    await makeWorkspaceImage({ path: place.seedPath, sizeMib: diskMib, files });
    // An initramfs is made of it, which this driver does not use.
    const modulesPath = join(cache.dir, "no-modules");
    await writeFile(modulesPath, "");
    const read = await readGiven({ variables: {} }, given);
    const record = workspaceRecord({ workspaceId, ...shape, secrets: read.records });
    const disk: Disk = { layers: [{ path: place.seedPath, format: "raw" }], disposable: false, durable: false };
    const machine = await bootMachine({
      id: workspaceId,
      driver: namespaceDriver(agentPath),
      environment: { ...record.environment, modulesPath },
      disks: { rootDisk: disk, workspaceDisk: disk },
      workspace: "as-it-is",
      shape,
      accelerator: "tcg",
      agentPath,
      scratchDir: context.layout.scratchDir,
      timeoutMs: bootTimeoutMs,
    });
    await saveWorkspace(place, { ...record, isolation: machine.isolation });
    const workspace = await OwnedWorkspace.begin({
      context,
      place,
      record: { ...record, isolation: machine.isolation },
      machine,
      egress: await closedEgress(),
      certificates: undefined,
      secrets: new WorkspaceSecrets(read.records, read.held),
    });
    const server = await ControlServer.listen(place.dir);
    server.serve(
      owners.flatMap((owner) => owner(workspace)),
      (words) => workspace.secrets.redacted(words),
    );
    return new WorkspaceWithoutVm(workspace, server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workspace.abandon();
    await this.#server.close(0);
  }
}

/** A workspace without a VM, for cases that run at every level. */
export async function workspaceWithoutVm(): Promise<WorkspaceUnderTest> {
  const bench = await Workbench.create();
  const workspace = await WorkspaceWithoutVm.start(bench.cache);
  return {
    bench,
    workspaceId: workspace.workspaceId,
    async [Symbol.asyncDispose]() {
      await workspace[Symbol.asyncDispose]();
      await bench[Symbol.asyncDispose]();
    },
  };
}
