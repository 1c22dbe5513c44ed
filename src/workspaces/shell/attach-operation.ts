import * as z from "zod";
import { PyroError } from "../../core/errors.ts";
import { hint, toRun } from "../../core/hint.ts";
import { defineOperation } from "../../operations/operation.ts";
import { workspaceId } from "../life/workspace-view.ts";
import { attachShell, resizeShell } from "./caller.ts";
import { shellId } from "./operations.ts";
import { shellFacts, shellView } from "./shell-view.ts";

export const shellAttach = defineOperation({
  name: "workspace.shell.attach",
  summary: "Work in a shell at your own terminal; others may watch, type and read at the same time",
  effect: "write",
  input: z.object({
    workspaceId,
    shellId,
    detachKey: z
      .string()
      .regex(/^ctrl-[a-z@[\\\]^_]$/i, "it must be ctrl- and a letter or one of @ [ \\ ] ^ _")
      .default("ctrl-]")
      .describe("Key that leaves the shell, which goes on"),
  }),
  output: shellView.extend({ detached: z.boolean().describe("You have left it, and it goes on") }),
  cli: {
    positionals: ["workspaceId", "shellId"],
    examples: [
      "workspace shell attach 0a1b2c3d4e5f 4f2a91",
      "workspace shell attach 0a1b2c3d4e5f 4f2a91 --detach-key ctrl-q",
    ],
    notes: (output) => [`[workspace-shell-attach] ${shellFacts(output)} detached=${output.detached}`],
  },
  async handle({ engine: context, signal, liveStreams }, { workspaceId: id, shellId: shell, detachKey }) {
    if (!liveStreams?.terminal) {
      throw new PyroError("unsupported", `cannot attach to shell '${shell}': there is no terminal here`, {
        hint: hint`${toRun("workspace.shell.read", { workspaceId: id, shellId: shell, plain: true })} instead.`,
      });
    }
    const wanted = { context, workspaceId: id, signal };
    await resizeShell(wanted, { shellId: shell, ...liveStreams.terminal.size() });
    using terminal = liveStreams.terminal.open();
    let detached = false;
    const typed = keysBefore(keyPressed(detachKey), terminal.keys, () => {
      detached = true;
    });
    const seen = await attachShell(wanted, shell, { ...terminal, typed });
    return { ...seen, workspaceId: id, executionMode: "guest" as const, detached };
  },
});

/**
 * What a terminal sends for a key that is pressed with Ctrl: the lower five bits of its character,
 * or a sequence with the whole character, if a program such as vim has asked for that
 * (modifyOtherKeys of xterm, the keyboard protocol of kitty).
 */
export function keyPressed(key: string): RegExp {
  const code = key.toLowerCase().charCodeAt("ctrl-".length);
  const byte = (code & 0x1f).toString(16).padStart(2, "0");
  return new RegExp(`\\x${byte}|\\x1b\\[27;[56];${code}~|\\x1b\\[${code};[56]u`);
}

/** What is typed before a key. */
async function* keysBefore(key: RegExp, keys: AsyncIterable<Buffer>, onKey: () => void): AsyncGenerator<Buffer> {
  for await (const bytes of keys) {
    const at = bytes.toString("latin1").search(key);
    if (at === -1) yield bytes;
    else {
      if (at > 0) yield bytes.subarray(0, at);
      return onKey();
    }
  }
}
