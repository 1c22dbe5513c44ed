import { PyroError } from "../../core/errors.ts";
import { encodeFrame, type Frame } from "../../guest/frames.ts";
import { treeFrame } from "../../guest/tree.ts";
import { createSnapshot, deleteSnapshot, resetWorkspace } from "../checkpoint/owner.ts";
import { awaitCommand, execCommand } from "../command/owner.ts";
import { changedMetadata } from "../record/metadata.ts";
import type { Call, Handlers } from "./server.ts";
import type { Session } from "./session.ts";

/** What a supervisor does for its callers, verb by verb. */
export function handlersOf(session: Session): Handlers {
  return {
    exec: (input, call) => execCommand(session, input, call),
    async awaitCommand(input, call) {
      await awaitCommand(session, input, call);
      return {};
    },
    async readTree(input, call) {
      const { machine } = await session.tenure();
      return pass(machine.agent.readTree(input, call.signal), call);
    },
    async treeChanges(input, call) {
      const { machine } = await session.tenure();
      return pass(machine.agent.treeChanges(input, call.signal), call);
    },
    async writeTree(input, call) {
      const { machine, journal } = await session.tenure();
      const written = await machine.agent.writeTree(treeOf(call), call.signal);
      await journal.append({ event: "edit", edit: { ...input, ...written } });
      await session.update({ lastActivityAt: new Date().toISOString() }, { isDurable: false });
      return written;
    },
    async recordExport(input) {
      const { journal } = await session.tenure();
      await journal.append({ event: "export", export: input });
      return {};
    },
    createSnapshot: ({ snapshotName }, { signal }) =>
      session.exclusively(() => createSnapshot(session, snapshotName, signal)),
    deleteSnapshot: ({ snapshotName }) =>
      session.exclusively(async () => {
        await deleteSnapshot(session, snapshotName);
        return {};
      }),
    reset: ({ snapshotName }, { signal }) => session.exclusively(() => resetWorkspace(session, snapshotName, signal)),
    update: (input) => session.update((record) => changedMetadata(record, input)),
    stop: () => session.exclusively(() => session.stop("the workspace was stopped")),
    async delete() {
      await session.delete("the workspace was deleted");
      return {};
    },
  };
}

/** Hands the guest's frames on; what is in them is for the caller to check. */
async function pass(frames: AsyncIterable<Frame>, call: Call): Promise<Record<string, never>> {
  for await (const { type, payload } of frames) {
    if (type < treeFrame.header || type > treeFrame.end) {
      throw new PyroError("internal", "the guest agent sent what is no part of a tree");
    }
    await call.send(type, payload);
  }
  return {};
}

async function* treeOf({ frames }: Call): AsyncGenerator<Buffer> {
  for await (const { type, payload } of frames) {
    yield encodeFrame(type, payload);
    if (type === treeFrame.end) return;
  }
}
