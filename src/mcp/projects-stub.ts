import type { ProjectSource } from "../projects/source.ts";
export async function autoDetectProject(_: string): Promise<{ source?: ProjectSource; reason?: string }> {
  return {};
}
export async function projectAt(root: string): Promise<ProjectSource> {
  return { kind: "directory", root };
}
export function redactedUrl(url: string): string {
  return url;
}
