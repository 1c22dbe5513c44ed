import type { Reporter, TestModule } from "vitest/node";

const shownCount = 10;

/** Prints the tests that took longest, so that a suite that grows slow says where. */
export default class SlowestTests implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => ({
        name: `${module.relativeModuleId} > ${test.fullName}`,
        durationMs: test.diagnostic()?.duration ?? 0,
      })),
    );
    const slowest = tests.toSorted((a, b) => b.durationMs - a.durationMs).slice(0, shownCount);
    const lines = slowest.map(({ name, durationMs }) => `${(durationMs / 1000).toFixed(1).padStart(7)} s  ${name}`);
    console.log(`\nThe slowest of ${tests.length} tests:\n${lines.join("\n")}`);
  }
}
