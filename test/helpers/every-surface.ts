import { afterAll, beforeAll, describe } from "vitest";
import { pyroInProcess } from "./cli-in-process.ts";
import { mcpSurface } from "./mcp.ts";
import { cliSurface, type Surface, sdkSurface } from "./surfaces.ts";

type Environment = Readonly<Record<string, string>>;

/** Runs the same tests through each surface, which they get when they run, like the variables. */
export function describeEverySurface(envOf: () => Environment, defineTests: (surface: () => Surface) => void): void {
  describe.each<[string, (env: Environment) => Surface & Partial<AsyncDisposable>]>([
    ["command line", (env) => cliSurface(env, pyroInProcess)],
    ["library", sdkSurface],
    ["MCP server", mcpSurface],
  ])("through the %s", (_name, makeSurface) => {
    let surface: Surface & Partial<AsyncDisposable>;
    beforeAll(() => {
      surface = makeSurface(envOf());
    });
    afterAll(() => surface[Symbol.asyncDispose]?.());
    defineTests(() => surface);
  });
}
