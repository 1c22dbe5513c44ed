import { begun } from "../../core/async.ts";
import { fromWire } from "../../core/wire-case.ts";
import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import { type OwnedVerb, owned, passOn } from "../control/server.ts";
import { exportSchema } from "../record/journal.ts";
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
      await journal.append({ event: "edit", edit: { ...input, ...written } });
      await workspace.update({ lastActivityAt: new Date().toISOString() }, { isDurable: false });
      return written;
    },
    async exportTree(input, call) {
      const { machine, journal } = await workspace.session();
      await passOn(machine.agent.readTree(input, call.signal), call);
      await call.sendEnd();
      const report = fromWire(exportSchema, JSON.parse((await whole(call.body)).toString("utf8")));
      await journal.append({ event: "export", export: report });
      return {};
    },
  });
}

async function whole(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}
