import { defineConfig } from "vitest/config";

const second = 1000;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts", "test/architecture.test.ts"],
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: "test/integration/global-setup.ts",
          testTimeout: 30 * second,
          hookTimeout: 30 * second,
        },
      },
      {
        test: {
          name: "contract",
          include: ["test/contract/**/*.test.ts"],
          globalSetup: "test/e2e/global-setup.ts",
          // Its machines share the processors with those of e2e: one file at a time.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 120 * second,
          hookTimeout: 120 * second,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: "test/e2e/global-setup.ts",
          // Virtual machines share the processors, and some tests count every one of them on this host: one file at a time, last.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          // An emulated machine boots in 3 to 10 s, a loaded host takes several times that.
          testTimeout: 120 * second,
          hookTimeout: 120 * second,
        },
      },
      {
        test: {
          name: "chaos",
          include: ["test/chaos/**/*.test.ts"],
          globalSetup: "test/chaos/global-setup.ts",
          // Things are killed, stopped and filled up here: one file at a time, after everything else.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 600 * second,
          hookTimeout: 120 * second,
        },
      },
      {
        test: {
          name: "clients",
          include: ["test/clients/**/*.test.ts"],
          globalSetup: "test/clients/global-setup.ts",
          // A client is a program of some 100 MB with a virtual machine behind it, and some kill each other: one file at a time, last of all.
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          testTimeout: 120 * second,
          hookTimeout: 120 * second,
        },
      },
    ],
  },
});
