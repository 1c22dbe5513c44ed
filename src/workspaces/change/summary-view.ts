import { countsOf, foldedLines, inWords } from "./diff-view.ts";
import type { ReviewOutput } from "./summary-operation.ts";

/** A review as Markdown, fit for a chat or a pull request. */
export function renderReview(review: ReviewOutput): string {
  const { outcome, commands, edits, changes, artifacts, snapshots } = review;
  const title = review.name === null ? review.workspaceId : `${literal(review.name)} (${review.workspaceId})`;
  const labels = Object.entries(review.labels).map(([key, value]) => code(`${key}=${value}`));
  const facts = [
    `${review.environment}, ${review.state}`,
    `since ${review.sessionStartedAt}`,
    counted(outcome.commandCount, "command"),
    ...(outcome.resetCount > 0 ? [counted(outcome.resetCount, "reset")] : []),
    ...labels,
  ];
  const sections = [
    `## Workspace ${title}\n\n${facts.join(" · ")}\n`,
    section("Changes", changesOf(changes)),
    section(`Commands (the last ${commands.recent.length} of ${commands.total})`, commands.recent.map(commandLine)),
    section(
      "Edits",
      edits.recent.map(({ eventKind, path }) => `${eventKind.replace("_", " ")} ${code(path)}`),
    ),
    section(
      "Exports",
      artifacts.exports.map(({ workspacePath, outputPath }) => `${code(workspacePath)} to ${code(outputPath)}`),
    ),
    section(
      `Snapshots (${snapshots.namedCount})`,
      snapshots.recent.map(({ snapshotName, createdAt }) => `${code(snapshotName)}, ${createdAt}`),
    ),
  ];
  return sections.filter((text) => text !== "").join("\n");
}

function changesOf({ available, reason, summary, entries, ...rest }: ReviewOutput["changes"]): string[] {
  if (!available || !summary) return [`not available: ${literal(reason ?? "")}`];
  if (summary.total === 0) return ["none"];
  return [
    countsOf(summary),
    ...entries.map((entry) => inWords(entry, code)),
    ...(rest.moreCount > 0 ? [`… and ${rest.moreCount} more`] : []),
    ...foldedLines(rest.folded, rest.foldedCount, code),
  ];
}

function commandLine({ command, exitCode, durationMs }: ReviewOutput["commands"]["recent"][number]): string {
  // Only what runs has not taken some time yet.
  const unknown = durationMs === null ? "still running" : "outcome unknown";
  const outcome = exitCode === null ? unknown : `exit code ${exitCode}`;
  const took = durationMs === null ? "" : `, ${(durationMs / 1000).toFixed(1)} s`;
  return `${code(command.join(" "))}: ${outcome}${took}`;
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `### ${title}\n\n${lines.map((line) => `- ${line}\n`).join("")}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** Text in which Markdown finds nothing to do stays as it is. */
function literal(text: string): string {
  return /^[\p{L}\p{N} .,:;()/'=-]+$/u.test(text) ? text : code(text);
}

/** Text that Markdown shows literally, on one line of limited length. */
function code(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  const short = line.length > 120 ? `${line.slice(0, 119)}…` : line;
  const longestRun = Math.max(0, ...[...short.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(longestRun + 1);
  return longestRun === 0 ? `\`${short}\`` : `${fence} ${short} ${fence}`;
}
