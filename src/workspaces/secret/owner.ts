import { PyroError } from "../../core/errors.ts";
import type { OwnedWorkspace } from "../control/owned-workspace.ts";
import { type OwnedVerb, owned } from "../control/server.ts";
import { maxSearchedBytes, secretVerbs } from "./verbs.ts";

export function secretOwner(workspace: OwnedWorkspace): readonly OwnedVerb[] {
  const { secrets } = workspace;
  return owned(secretVerbs, {
    useSecrets: ({ records, held }) =>
      workspace.exclusively(async () => {
        await secrets.use(records, held);
        return workspace.update({ secrets: secrets.records });
      }),
    async findSecrets({ lengths }, { body, send }) {
      const bytes = await whole(body);
      let end = 0;
      const places = lengths.flatMap((length, part) => {
        const start = end;
        end += length;
        return secrets.matcher.find(bytes.subarray(start, end)).map((place) => [part, place.start, place.end] as const);
      });
      await send(Buffer.from(JSON.stringify(places)));
      return { reachBytes: secrets.matcher.reachBytes };
    },
  });
}

async function whole(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > maxSearchedBytes) throw new PyroError("invalid_argument", "there are too many bytes to search");
    parts.push(piece);
  }
  return Buffer.concat(parts);
}
