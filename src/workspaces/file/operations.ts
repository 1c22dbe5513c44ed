import * as z from "zod";
import { fitting } from "../../core/shorten.ts";
import { executionMode } from "../../operations/fields.ts";
import { defineOperation } from "../../operations/operation.ts";
import { workspaceFilePath, workspaceId } from "../life/workspace-view.ts";
import { editFile } from "./edit.ts";
import { listFiles, maxWriteBytes, readFile, writeFile } from "./files.ts";
import {
  listingFields,
  listingOnCommandLine,
  listingResult,
  listingText,
  pageFields,
  pageInput,
  pageOnCommandLine,
  pageResult,
  pageText,
  recursiveField,
  shortenListing,
  shortenPage,
} from "./reading/file-view.ts";
import { editedFile, writtenFile } from "./results.ts";

export const workspaceFileList = defineOperation({
  name: "workspace.file.list",
  summary: "List files of a workspace",
  effect: "read",
  input: z.object({
    workspaceId,
    path: workspaceFilePath.default("/workspace"),
    recursive: recursiveField,
  }),
  output: z.object(listingFields),
  cli: {
    ...listingOnCommandLine,
    examples: ["workspace file list 0a1b2c3d4e5f", "workspace file list 0a1b2c3d4e5f src --recursive"],
  },
  mcp: {
    description: "List a directory of a workspace, with sizes and modes.",
    shortened: shortenListing,
    text: (output) => listingText(output, "list a directory further down, or use ls with workspace_exec"),
  },
  async handle({ engine: context, signal, onProgress }, { workspaceId: id, path, recursive }) {
    const listing = await listFiles({ context, workspaceId: id, signal, onProgress }, path, recursive);
    return listingResult(id, recursive, listing);
  },
});

export const workspaceFileRead = defineOperation({
  name: "workspace.file.read",
  summary: "Read a text file of a workspace",
  effect: "read",
  input: z.object({
    workspaceId,
    path: workspaceFilePath,
    ...pageInput,
  }),
  output: z.object({ ...pageFields, executionMode }),
  cli: {
    ...pageOnCommandLine,
    examples: [
      "workspace file read 0a1b2c3d4e5f src/note.txt",
      "workspace file read 0a1b2c3d4e5f src/note.txt --content-only",
      "workspace file read 0a1b2c3d4e5f build.log --offset 65536",
    ],
    notes: (read) => [
      `[workspace-file-read] workspace_id=${read.workspaceId} path=${read.path} size_bytes=${read.sizeBytes} truncated=${read.truncated} execution_mode=${read.executionMode}${read.nextOffset === null ? "" : ` next_offset=${read.nextOffset}`}`,
    ],
  },
  mcp: {
    description: "Read a text file of a workspace. A long one comes in pages: continue at next_offset.",
    shortened: shortenPage,
    text: pageText,
  },
  async handle({ engine: context, signal }, { workspaceId: id, path, ...page }) {
    const read = await readFile({ context, workspaceId: id, signal }, path, page);
    return { ...pageResult(id, read), executionMode: "guest" as const };
  },
});

export const workspaceFileWrite = defineOperation({
  name: "workspace.file.write",
  summary: "Write a text file in a workspace, with the directories that it needs",
  effect: "write",
  input: z.object({ workspaceId, path: workspaceFilePath, text: z.string().describe("All of its content") }),
  output: z.object({ workspaceId: z.string(), ...writtenFile.shape, executionMode }),
  cli: {
    positionals: ["workspaceId", "path"],
    fileFlags: {
      text: {
        flag: "text-file",
        description: "File on this host whose text becomes its content; - for standard input",
        maxBytes: maxWriteBytes,
      },
    },
    examples: [
      "workspace file write 0a1b2c3d4e5f src/note.txt --text 'hello'",
      "workspace file write 0a1b2c3d4e5f src/note.txt --text-file ./note.txt",
    ],
    text: (written) =>
      `[workspace-file-write] workspace_id=${written.workspaceId} path=${written.path} bytes_written=${written.bytesWritten} execution_mode=${written.executionMode}\n`,
  },
  mcp: {
    description:
      "Write a whole text file in a workspace, with its parent directories. To change a part, use workspace_file_edit.",
    isIdempotent: true,
  },
  async handle({ engine: context, signal }, { workspaceId: id, path, text }) {
    const written = await writeFile({ context, workspaceId: id, signal }, path, text);
    return { ...written, workspaceId: id, executionMode: "guest" as const };
  },
});

export const workspaceFileEdit = defineOperation({
  name: "workspace.file.edit",
  summary: "Replace a text in a file of a workspace, which must be there exactly once",
  effect: "write",
  input: z.object({
    workspaceId,
    path: workspaceFilePath,
    oldText: z.string().describe("Text to replace, exactly as it is in the file"),
    newText: z.string().describe("Text that takes its place"),
    replaceAll: z.boolean().default(false).describe("Replace it wherever it is"),
  }),
  output: z.object({ workspaceId: z.string(), ...editedFile.shape, executionMode }),
  cli: {
    positionals: ["workspaceId", "path"],
    examples: ["workspace file edit 0a1b2c3d4e5f src/app.py --old-text 'debug = True' --new-text 'debug = False'"],
    text: (edited) =>
      `[workspace-file-edit] workspace_id=${edited.workspaceId} path=${edited.path} replaced_count=${edited.replacedCount} bytes_written=${edited.bytesWritten} execution_mode=${edited.executionMode}\n`,
    notes: ({ adjusted }) => adjusted.map((how) => `[adjusted] ${how}`),
  },
  mcp: {
    description:
      "Replace old_text by new_text in a file of a workspace. old_text must be in it exactly once, white space included, unless replace_all is set.",
    input: { oldText: z.string(), newText: z.string(), replaceAll: z.boolean().default(false) },
    shortened: (output, maxChars) => ({ ...output, lines: fitting(output.lines, maxChars / 2) }),
  },
  async handle({ engine: context, signal }, { workspaceId: id, path, ...wanted }) {
    const edited = await editFile({ context, workspaceId: id, signal }, path, wanted);
    return { ...edited, workspaceId: id, executionMode: "guest" as const };
  },
});
