import * as z from "zod";
import { firstBytes, fitting } from "../../../core/shorten.ts";
import { oneLine } from "../../../tree/name.ts";
import { maxReadBytes } from "../files.ts";
import { type FileContent, type FileEntry, type FileListing, fileContent, fileListing } from "../results.ts";

/** Listings and pages of files, in a workspace that runs or on the disks of one that is stopped. */

export const recursiveField = z.boolean().default(false).describe("Everything below it");

const { path: listedPath, ...listed } = fileListing.shape;

export const listingFields = {
  workspaceId: z.string(),
  path: listedPath,
  recursive: z.boolean(),
  count: z.number().describe("Entries there are, 50,000 at the most"),
  ...listed,
};

export const listingOnCommandLine = {
  positionals: ["workspaceId", "path"],
  text: ({ entries }: FileListing) => renderEntries(entries),
  notes: ({ truncated }: FileListing) => (truncated ? ["[warning] there are more than are listed"] : []),
};

export function listingResult(workspaceId: string, recursive: boolean, listing: FileListing) {
  return { ...listing, workspaceId, recursive, count: listing.entries.length };
}

/** The part of a file that is wanted */
export const pageInput = {
  offset: z.number().int().min(0).default(0).describe("Byte of the file to begin with"),
  maxBytes: z.number().int().min(1).max(maxReadBytes).default(65_536).describe("How much of it to read"),
};

export const pageFields = {
  workspaceId: z.string(),
  ...fileContent.shape,
  truncated: z.boolean().describe("The file goes on behind it"),
};

export const pageOnCommandLine = {
  positionals: ["workspaceId", "path"],
  part: {
    flag: "content-only",
    description: "Print only the file's content",
    text: ({ content }: FileContent) => content,
  },
  raw: ({ content }: FileContent) => content,
};

export function pageResult(workspaceId: string, page: FileContent) {
  return { ...page, workspaceId, truncated: page.nextOffset !== null };
}

type Listing = FileListing & { readonly count: number };

function renderEntries(entries: readonly FileEntry[]): string {
  return entries.map(renderEntry).join("");
}

function renderEntry({ path, artifactType: type, sizeBytes, mode, linkTarget }: FileEntry): string {
  const size = sizeBytes === null ? "-" : String(sizeBytes);
  const link = linkTarget === null ? "" : ` -> ${oneLine(linkTarget)}`;
  return `${mode} ${type.padEnd(9)} ${size.padStart(10)} ${oneLine(path)}${link}\n`;
}

export function shortenListing<L extends Listing>(listing: L, maxChars: number): L {
  const entries = fitting(listing.entries, maxChars - 300);
  return { ...listing, entries, truncated: listing.truncated || entries.length < listing.entries.length };
}

/** A listing for a model. `advice` says how to see what is left out. */
export function listingText({ count, entries, truncated, path }: Listing, advice: string): string {
  const shown = entries.length === 0 ? `${path} is empty.\n` : renderEntries(entries);
  return truncated ? `${shown}[… ${count - entries.length} of ${count} are not shown: ${advice} …]\n` : shown;
}

/** Shortens a page to the space for it. The next page begins at its end. */
export function shortenPage<
  R extends { content: string; offset: number; nextOffset: number | null; truncated: boolean },
>(read: R, maxChars: number): R {
  const shown = firstBytes(Buffer.from(read.content), maxChars - 400);
  const content = shown.toString("utf8");
  if (content === read.content) return read;
  return { ...read, content, nextOffset: read.offset + shown.length, truncated: true };
}

/** A page for a model. */
export function pageText({ content, offset, nextOffset: next, sizeBytes }: FileContent): string {
  if (next === null && offset === 0) return content;
  const place = `bytes ${offset} to ${next ?? sizeBytes} of ${sizeBytes}${next === null ? "" : `; offset=${next} goes on`}`;
  return `${content}${content.endsWith("\n") ? "" : "\n"}[${place}]\n`;
}
