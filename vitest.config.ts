import { defineConfig } from "vitest/config";
import { SlowestFirst } from "./test/slowest-first.ts";

const second = 1000;
const jsonReport = process.env["PYRO_TEST_REPORT"];

/** Tests with machines: they wait half of their time, so two processors can run three files. */
const withMachines = {
  globalSetup: "test/e2e/global-setup.ts",
  maxWorkers: 3,
  sequence: { groupOrder: 1 },
  // A machine boots in 3 to 10 s, and takes several times that beside another one on a loaded host.
  testTimeout: 240 * second,
  hookTimeout: 240 * second,
};

export default defineConfig({
  test: {
    sequence: { sequencer: SlowestFirst },
    reporters: ["default", "./test/slowest-tests.ts", ...(jsonReport === undefined ? [] : ["json"])],
    ...(jsonReport === undefined ? {} : { outputFile: { json: jsonReport } }),
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "test/*.test.ts"],
          // Pure functions share nothing that isolation would protect.
          pool: "threads",
          isolate: false,
          maxWorkers: 3,
          testTimeout: 60 * second,
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: "test/integration/global-setup.ts",
          isolate: false,
          maxWorkers: 3,
          testTimeout: 60 * second,
          hookTimeout: 60 * second,
        },
      },
      { test: { ...withMachines, name: "contract", include: ["test/contract/**/*.test.ts"] } },
      { test: { ...withMachines, name: "e2e", include: ["test/e2e/**/*.test.ts"] } },
      {
        test: {
          ...withMachines,
          name: "chaos",
          include: ["test/chaos/**/*.test.ts"],
          testTimeout: 600 * second,
        },
      },
      {
        test: {
          ...withMachines,
          name: "clients",
          include: ["test/clients/**/*.test.ts"],
          globalSetup: "test/clients/global-setup.ts",
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
