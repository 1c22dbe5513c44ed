import { begun } from "../../core/async.ts";
import { fromWire } from "../../core/wire-case.ts";
import { fileError } from "../../host/files.ts";
import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import { type OwnedVerb, owned, passOn } from "../control/server.ts";
import { exportSchema, type JournalEvent, type JournalWriter } from "../record/journal.ts";
import { fileVerbs } from "./verbs.ts";

export function fileOwner(workspace: OwnedWorkspace): readonly OwnedVerb[] {
  return owned(fileVerbs, {
    async readTree(input, call) {
      const { machine } = await workspace.session();
      return passOn(machine.agent.readTree(input, call.signal), call);
    },
    async writeTree(input, call) {
      // The caller may need long to read its source before it sends the first bytes. Only then does
      // the guest get the request.
      const body = await begun(call.body);
      const { machine, journal } = await workspace.session();
      const written = await machine.agent.writeTree(body, call.signal);
      const event = { event: "edit", edit: { ...input, ...written } } as const;
      await record(workspace, journal, event, "the files are in the workspace");
      return written;
    },
    async exportTree(input, call) {
      const { machine, journal } = await workspace.session();
      await passOn(machine.agent.readTree(input, call.signal), call);
      await call.sendEnd();
      const report = fromWire(exportSchema, JSON.parse((await whole(call.body)).toString("utf8")));
      await record(workspace, journal, { event: "export", export: report }, "the export is complete");
      return {};
    },
  });
}

/** Records what has happened. A failure of that does not undo it. */
async function record(
  workspace: OwnedWorkspace,
  journal: JournalWriter,
  event: JournalEvent,
  happened: string,
): Promise<void> {
  const lastActivityAt = await journal.commit(event).catch((error: unknown) => {
    throw fileError(`${happened}, but pyro cannot record that`, error);
  });
  workspace.note({ lastActivityAt });
}

async function whole(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}
