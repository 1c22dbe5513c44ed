import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { hint, named } from "../../core/hint.ts";
import { framesOf } from "../../guest/frames.ts";
import { treeFrame } from "../../guest/tree/messages.ts";
import type { StreamRedactor } from "./redactor.ts";
import type { WorkspaceSecrets } from "./secrets.ts";

/** The part of an entry that a refusal names. A path that is no text is in another field. */
const namedEntrySchema = z.object({ path: z.string().catch("") });

/**
 * Passes a guest's tree on as long as no name, link or content in it has the value of a secret. Of
 * a frame with a value nothing is passed on.
 */
export async function* refusingSecrets(
  bytes: AsyncIterable<Buffer>,
  secrets: WorkspaceSecrets,
): AsyncGenerator<Buffer> {
  let entry: Buffer = Buffer.alloc(0);
  let content: StreamRedactor = secrets.stream();
  for await (const frame of framesOf(bytes)) {
    if (frame.type === treeFrame.entry) {
      entry = frame.payload;
      content = secrets.stream();
      if (secrets.matcher.find(entry).length > 0) throw refused("a name or link", entry, secrets);
    }
    if (frame.type === treeFrame.content) content.push(frame.payload);
    // What is held back before a hole does not go on behind it.
    else content.end();
    if (content.count > 0) throw refused("the content", entry, secrets);
    yield frame.bytes;
  }
}

function refused(what: string, entry: Buffer, secrets: WorkspaceSecrets): PyroError {
  const { path } = namedEntrySchema.parse(JSON.parse(entry.toString()));
  const shown = secrets.redacted(`/workspace/${path}`);
  return new PyroError("failed_precondition", `cannot export '${shown}': ${what} has the value of a secret in it`, {
    hint: hint`Remove it first, or say that it may leave: ${named("workspace.export", { allowSecrets: true })}.`,
  });
}
