import type { Call } from "../control/server.ts";
import type { Shell } from "./shell.ts";
import { QueryFilter } from "./terminal/queries.ts";

/**
 * A viewer this far behind is shown the screen again instead of all that it has missed, in bytes
 */
const maxBehind = 512 * 1024;
/** Brings a terminal to the main screen in its usual modes, and clears that */
const clear = "\x1b[?1049l\x1b[!p\x1b[H\x1b[2J";

/**
 * Shows a shell to a person until it ends or the person leaves, and types what the person types.
 */
export async function view(shell: Shell, call: Call): Promise<void> {
  const left = new AbortController();
  const isLeft = new Promise<void>((resolve) => {
    left.signal.addEventListener("abort", () => resolve(), { once: true });
    call.signal.addEventListener("abort", () => left.abort(), { once: true });
    if (call.signal.aborted) left.abort();
  });
  // The end of the caller ends the reading of its keys too.
  void typed(shell, call)
    .catch(() => {})
    .finally(() => left.abort());
  let filter = new QueryFilter();
  let position = shell.scrollback.end;
  await call.send(Buffer.from(`${clear}${shell.screen.serialize()}`));
  while (!left.signal.aborted) {
    const { end } = shell.scrollback;
    if (end - position > maxBehind) {
      filter = new QueryFilter();
      position = end;
      await call.send(Buffer.from(`${clear}${shell.screen.serialize()}`));
    } else if (end > position) {
      const bytes = shell.scrollback.read(position, end - position);
      position = end;
      await call.send(filter.pass(bytes));
    } else if (shell.isRunning) {
      await Promise.race([shell.printed, isLeft]);
    } else return;
  }
}

async function typed(shell: Shell, { body }: Call): Promise<void> {
  for await (const bytes of body) {
    // Keys that no program reads are lost, as at any terminal.
    await shell.type(bytes).catch(() => {});
  }
}
