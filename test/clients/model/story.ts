import type { Args, ModelView, Move } from "./api.ts";

/** One call that a model makes; the next one follows when it has seen the result. */
export interface Step {
  readonly tool: string;
  readonly args: Args;
}

/** What a model does, call by call, whichever client it works in. */
export type Story = readonly Step[];

/**
 * Stands for the identifier of the workspace that the story has created, as the model read it from
 * a result.
 */
export const theWorkspace = "<the workspace>";

/** The model's next move: as many calls as there are results lie behind it. */
export function nextMove(story: Story, { results }: ModelView): Move {
  const step = story[results.length];
  if (!step) return { text: "I am done." };
  const { tool, args } = step;
  if (!Object.values(args).includes(theWorkspace)) return { tool, args };
  const id = workspaceIdIn(results);
  return { tool, args: mapValues(args, (value) => (value === theWorkspace ? id : value)) };
}

/** The first identifier of a workspace that is in any of the results. */
function workspaceIdIn(results: readonly string[]): string {
  for (const result of results) {
    const found = /\b[0-9a-f]{12}\b/.exec(result);
    if (found) return found[0];
  }
  throw new Error(`there is no identifier of a workspace in what the model has seen: ${results.join("\n")}`);
}

function mapValues(args: Args, map: (value: unknown) => unknown): Args {
  return Object.fromEntries(Object.entries(args).map(([name, value]) => [name, map(value)]));
}
