import { begun } from "../../core/async.ts";
import { PyroError } from "../../core/errors.ts";
import { fromWire } from "../../core/wire-case.ts";
import type { TreeWriteAnswer } from "../../guest/tree/messages.ts";
import { fileError } from "../../host/files.ts";
import { requirePower } from "../../vm/features.ts";
import { sweepUnused } from "../checkpoint/layers.ts";
import { addLayer } from "../checkpoint/owner.ts";
import { requireRoomForLayer } from "../checkpoint/rules.ts";
import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import type { VerbInput } from "../control/protocol.ts";
import { type OwnedVerb, owned, passOn } from "../control/server.ts";
import type { Session } from "../control/session.ts";
import { exportSchema, type JournalEvent, type JournalWriter } from "../record/journal.ts";
import { refusingSecrets } from "../secret/tree-guard.ts";
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
      const written = await machine.agent.writeTree(body, { signal: call.signal });
      const event = { event: "edit", edit: { ...shownEdit(workspace, input), ...written } } as const;
      await record(workspace, journal, event, "the files are in the workspace");
      return written;
    },
    async writeBaseline(input, call) {
      const body = await begun(call.body);
      const session = await workspace.session();
      requireRoomForLayer(workspace.record, "cannot push into the baseline");
      requirePower(session.machine.features, "liveLayers", "cannot push into the baseline");
      const written = await session.machine.agent.writeTree(body, { target: "baseline", signal: call.signal });
      await workspace
        .exclusively(() => keepBaseline(workspace, session, written))
        .catch((error: unknown) => {
          if (error instanceof PyroError) throw error;
          throw fileError("the files are in the workspace, but a reset would not keep them", error);
        });
      const event = { event: "edit", edit: { ...shownEdit(workspace, input), ...written } } as const;
      await record(workspace, session.journal, event, "the files are in the workspace and its baseline");
      return written;
    },
    async exportTree({ allowSecrets, ...input }, call) {
      const { machine, journal } = await workspace.session();
      const { secrets } = workspace;
      const tree = machine.agent.readTree(input, call.signal);
      const isUnguarded = allowSecrets || secrets.matcher.isEmpty;
      await passOn(isUnguarded ? tree : refusingSecrets(tree, secrets), call);
      await call.sendEnd();
      const { path, outputPath, ...rest } = fromWire(
        exportSchema,
        JSON.parse((await whole(call.body)).toString("utf8")),
      );
      const report = { ...secrets.redacted({ path, outputPath }), ...rest };
      await record(workspace, journal, { event: "export", export: report }, "the export is complete");
      return {};
    },
  });
}

/** An edit as the history has it. */
function shownEdit({ secrets }: OwnedWorkspace, { kind, path }: VerbInput<typeof fileVerbs.writeTree>) {
  return { kind, path: secrets.redacted(path) };
}

/** Makes the disk as it is now the baseline, whatever the caller does: the guest has the files. */
async function keepBaseline(workspace: OwnedWorkspace, session: Session, added: TreeWriteAnswer): Promise<void> {
  if ((await workspace.session()) !== session) {
    throw new PyroError("failed_precondition", "cannot push into the baseline: the workspace was reset meanwhile");
  }
  const layers = await addLayer(workspace, session, new AbortController().signal);
  await workspace.update(({ seed, baseline }) => {
    const before = baseline ?? seed;
    const entryCount = before.entryCount + added.entryCount;
    return { baseline: { layers, entryCount, bytesWritten: before.bytesWritten + added.bytesWritten } };
  });
  await sweepUnused(workspace.place, workspace.record);
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
