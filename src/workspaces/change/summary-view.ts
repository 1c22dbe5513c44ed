import { countsOf, foldedLines, inWords } from "./diff-view.ts";
import type { ReviewOutput } from "./summary-operation.ts";

/** A review as text that is Markdown too, fit for a chat or a pull request. */
export function renderReview(review: ReviewOutput): string {
  const { workspaceId, name, outcome, commands, edits, artifacts, snapshots } = review;
  const labels = Object.entries(review.labels).map(([key, value]) => code(`${key}=${value}`));
  const { commandCount, serviceCount, runningServiceCount, exportCount, snapshotCount, resetCount } = outcome;
  const head = [
    `Workspace review: ${workspaceId}`,
    ...(name === null ? [] : [`Name: ${literal(name)}`]),
    ...(labels.length === 0 ? [] : [`Labels: ${labels.join(", ")}`]),
    `Environment: ${review.environment}`,
    `State: ${review.state}, since ${review.sessionStartedAt}`,
    `Outcome: commands=${commandCount} services=${runningServiceCount}/${serviceCount} exports=${exportCount} snapshots=${snapshotCount} resets=${resetCount}`,
  ];
  const more = commands.total - commands.recent.length;
  const sections = [
    `${head.join("\n")}\n`,
    changesSection(review.changes),
    section("Recent commands:", [
      ...commands.recent.map(commandLine),
      ...(more > 0 && commands.recent.length > 0 ? [`… and ${more} before`] : []),
    ]),
    section(
      "Edits:",
      edits.recent.map(({ eventKind, path }) => `${eventKind.replace("_", " ")} ${code(path)}`),
    ),
    section(
      "Exports:",
      artifacts.exports.map(({ workspacePath, outputPath }) => `${code(workspacePath)} to ${code(outputPath)}`),
    ),
    section(
      "Services:",
      review.services.current.map(({ serviceName, state }) => `${code(serviceName)} ${state}`),
    ),
    networkLine(review.network),
    section(
      "Snapshots:",
      snapshots.recent.map(({ snapshotName, createdAt }) => `${code(snapshotName)}, ${createdAt}`),
    ),
  ];
  return sections.filter((text) => text !== "").join("\n");
}

function changesSection({ available, reason, summary, entries, ...rest }: ReviewOutput["changes"]): string {
  if (!available || !summary) return `Changes: unavailable (${literal(reason ?? "")})\n`;
  if (summary.total === 0) return "Changes: none\n";
  return section(`Changes: ${countsOf(summary)}`, [
    ...entries.map((entry) => inWords(entry, code)),
    ...(rest.moreCount > 0 ? [`… and ${rest.moreCount} more`] : []),
    ...foldedLines(rest.folded, rest.foldedCount, code),
  ]);
}

function networkLine({ policy, allowedCount, deniedCount, deniedHosts }: ReviewOutput["network"]): string {
  if (policy === "off" && deniedCount === 0) return "";
  const hosts = deniedHosts.length === 0 ? "" : ` (${deniedHosts.map(code).join(", ")})`;
  return `Network: ${policy}, ${allowedCount} connections, ${deniedCount} denied${hosts}\n`;
}

function commandLine({ command, exitCode, durationMs }: ReviewOutput["commands"]["recent"][number]): string {
  // Only what runs has not taken some time yet.
  const unknown = durationMs === null ? "still running" : "outcome unknown";
  const outcome = exitCode === null ? unknown : `exit code ${exitCode}`;
  const took = durationMs === null ? "" : `, ${(durationMs / 1000).toFixed(1)} s`;
  return `${code(command.join(" "))}: ${outcome}${took}`;
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${title}\n${lines.map((line) => `- ${line}\n`).join("")}`;
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
