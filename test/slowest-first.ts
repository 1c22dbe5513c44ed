import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take longest, longest first. A file that begins last decides when the run ends. */
const slowFiles = [
  "chaos/power-cut.test.ts",
  "e2e/workspace.test.ts",
  "chaos/kill.test.ts",
  "e2e/workspace-checkpoints.test.ts",
  "contract/workspace-limits.test.ts",
  "chaos/faults.test.ts",
  "chaos/mischief.test.ts",
  "e2e/templates.test.ts",
  "e2e/workspace-ttl.test.ts",
  "e2e/workspace-diff.test.ts",
  "e2e/workspace-detached.test.ts",
  "e2e/mcp-lifetime.test.ts",
  "chaos/interrupted.test.ts",
  "chaos/lying-agent.test.ts",
];

/** The order of files in a run: the slow ones, then as Vitest does. Groups stay apart. */
export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = slowFiles.findIndex((path) => moduleId.endsWith(`/test/${path}`));
      return index === -1 ? slowFiles.length : index;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
