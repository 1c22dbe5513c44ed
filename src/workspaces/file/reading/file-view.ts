import { firstBytes, fitting } from "../../../core/shorten.ts";
import { oneLine } from "../../../tree/name.ts";
import type { FileContent, FileEntry, FileListing } from "../results.ts";

/** How listings and pages of files are laid out. */

type Listing = FileListing & { readonly count: number };

export function renderEntries(entries: readonly FileEntry[]): string {
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
