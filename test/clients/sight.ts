import { expect } from "vitest";
import type { Client } from "./drive/client.ts";
import type { Step } from "./model/story.ts";

/** A call, and what the model must be able to see of its result. */
export interface Scene extends Step {
  /** Fields, where it sees JSON */
  readonly fields?: Readonly<Record<string, unknown>>;
  /**
   * Pieces of what it reads, where it sees text: of a result without JSON, as of errors, and in
   * clients that show none
   */
  readonly says: readonly string[];
}

export function expectScenes(client: Client, scenes: readonly Scene[], results: readonly string[]): void {
  for (const [index, { tool, fields, says }] of scenes.entries()) {
    const result = results[index] ?? "";
    if (client.showsStructure && fields) expect(fieldsOf(result), tool).toMatchObject(fields);
    else
      expect(
        says.filter((words) => !result.includes(words)),
        `${tool}: ${result}`,
      ).toEqual([]);
  }
}

/** A result as a model reads it: of JSON, the texts in it. */
export function readable(client: Client, result: string): string {
  return client.showsStructure ? textsIn(fieldsOf(result)).join("\n") : result;
}

/**
 * Of a result that is JSON, behind the client's own words. Fails when the client has cut something
 * off.
 */
function fieldsOf(result: string): Record<string, unknown> {
  return JSON.parse(result.slice(result.indexOf("{"))) as Record<string, unknown>;
}

function textsIn(value: unknown): readonly string[] {
  if (typeof value !== "object" || value === null) return [String(value)];
  return Object.values(value).flatMap(textsIn);
}
