import { expect, test } from "vitest";
import type { ReviewOutput } from "../../../../src/workspaces/change/summary-operation.ts";
import { renderReview } from "../../../../src/workspaces/change/summary-view.ts";

const at = "2026-01-01T00:00:00.000Z";
const noChanges = { total: 0, added: 0, modified: 0, deleted: 0, typeChanged: 0, textPatched: 0, nonText: 0 };

function review(different: Partial<ReviewOutput> = {}): ReviewOutput {
  return {
    workspaceId: "0a1b2c3d4e5f",
    name: null,
    labels: {},
    environment: "debian:12",
    state: "started",
    lastActivityAt: at,
    sessionStartedAt: at,
    outcome: {
      commandCount: 0,
      lastCommand: null,
      serviceCount: 0,
      runningServiceCount: 0,
      exportCount: 0,
      snapshotCount: 0,
      resetCount: 0,
    },
    commands: { total: 0, recent: [] },
    edits: { recent: [] },
    changes: {
      available: true,
      reason: null,
      changed: false,
      summary: noChanges,
      entries: [],
      folded: [],
      foldedCount: 0,
      moreCount: 0,
      redactedCount: 0,
    },
    network: { policy: "off", allowedCount: 0, deniedCount: 0, deniedHosts: [] },
    services: { current: [], recent: [] },
    artifacts: { exports: [] },
    snapshots: { namedCount: 0, recent: [] },
    ...different,
  };
}

const command = (words: string[], exitCode: number | null = 0) => ({
  sequence: 1,
  command: words,
  cwd: "/workspace",
  exitCode,
  durationMs: 1234,
  executionMode: "guest" as const,
  recordedAt: at,
});

test("a workspace in which nothing happened is short", () => {
  expect(renderReview(review())).toMatchInlineSnapshot(`
    "Workspace review: 0a1b2c3d4e5f
    Environment: debian:12
    State: started, since 2026-01-01T00:00:00.000Z
    Outcome: commands=0 services=0/0 exports=0 snapshots=0 resets=0

    Changes: none
    "
  `);
});

test("everything that happened is told, newest first", () => {
  const text = renderReview(
    review({
      name: "fix-parser",
      labels: { issue: "12" },
      outcome: {
        commandCount: 7,
        lastCommand: null,
        serviceCount: 0,
        runningServiceCount: 0,
        exportCount: 1,
        snapshotCount: 1,
        resetCount: 2,
      },
      commands: { total: 7, recent: [command(["npm", "test"], 1), command(["sh", "-c", "echo `date`"], null)] },
      edits: {
        recent: [{ eventKind: "sync_push", path: "/workspace/in", entryCount: 2, bytesWritten: 3, recordedAt: at }],
      },
      changes: {
        available: true,
        reason: null,
        changed: true,
        summary: { ...noChanges, total: 12, added: 1, modified: 10, typeChanged: 1 },
        entries: [{ path: "/workspace/a b.txt", status: "type_changed", artifactType: "symlink" }],
        folded: [{ path: "/workspace/dist", count: 400, reason: "ignored" }],
        foldedCount: 1,
        moreCount: 11,
        redactedCount: 0,
      },
      artifacts: {
        exports: [
          { workspacePath: "/workspace/r", outputPath: "/tmp/r", entryCount: 1, bytesWritten: 1, recordedAt: at },
        ],
      },
      snapshots: { namedCount: 1, recent: [{ snapshotName: "before", createdAt: at }] },
    }),
  );
  expect(text).toMatchInlineSnapshot(`
    "Workspace review: 0a1b2c3d4e5f
    Name: fix-parser
    Labels: \`issue=12\`
    Environment: debian:12
    State: started, since 2026-01-01T00:00:00.000Z
    Outcome: commands=7 services=0/0 exports=1 snapshots=1 resets=2

    Changes: 1 added, 10 modified, 0 deleted, 1 of another type
    - type changed \`a b.txt\`
    - … and 11 more
    - \`dist\` (400 new, ignored)

    Recent commands:
    - \`npm test\`: exit code 1, 1.2 s
    - \`\` sh -c echo \`date\` \`\`: outcome unknown, 1.2 s
    - … and 5 before

    Edits:
    - sync push \`/workspace/in\`

    Exports:
    - \`/workspace/r\` to \`/tmp/r\`

    Snapshots:
    - \`before\`, 2026-01-01T00:00:00.000Z
    "
  `);
});

test("changes that cannot be had say why", () => {
  const none = {
    changed: null,
    summary: null,
    entries: [],
    folded: [],
    foldedCount: 0,
    moreCount: 0,
    redactedCount: 0,
  };
  const changes = { available: false, reason: "the workspace is stopped", ...none };
  expect(renderReview(review({ changes }))).toContain("Changes: unavailable (the workspace is stopped)\n");
});

test("a command of several lines stays one item, and a long one is cut", () => {
  const text = renderReview(
    review({ commands: { total: 1, recent: [command(["sh", "-c", "a\n\n- b\n# c"]), command(["x".repeat(500)])] } }),
  );
  expect(text).toContain("- `sh -c a - b # c`: exit code 0");
  expect(text).toContain(`- \`${"x".repeat(119)}…\`: exit code 0`);
});

test("no text of a user or a guest is taken for Markdown", () => {
  const hostile = "`` ` <img src=x> [a](http://b) *c* #";
  const text = renderReview(
    review({
      name: "<img src=x> [a](http://b) *c* `d`",
      labels: { key: "a`b *c*" },
      commands: { total: 1, recent: [command([hostile])] },
      changes: {
        available: true,
        reason: null,
        changed: true,
        summary: { ...noChanges, total: 1 },
        entries: [{ path: hostile, status: "added", artifactType: "file" }],
        folded: [{ path: hostile, count: 1, reason: "ignored" }],
        foldedCount: 1,
        moreCount: 0,
        redactedCount: 0,
      },
    }),
  );
  expect(outsideOfCode(text)).not.toMatch(/<img|\[a\]|\*c\*/);
});

/** Markdown without its code spans: what is left is not shown literally. */
function outsideOfCode(text: string): string {
  return text.replaceAll(/(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)/gs, "");
}

test("what was denied has a line, and a workspace that tried nothing has none", () => {
  expect(renderReview(review())).not.toContain("Network");
  const network = { policy: "egress", allowedCount: 3, deniedCount: 2, deniedHosts: ["a.test", "10.0.0.1"] } as const;
  expect(renderReview(review({ network: { ...network, deniedHosts: [...network.deniedHosts] } }))).toContain(
    "Network: egress, 3 connections, 2 denied (`a.test`, `10.0.0.1`)\n",
  );
});
