import { claudeCode } from "./claude-code.ts";
import type { Client } from "./client.ts";
import { codex, codexCodeMode } from "./codex.ts";
import { opencode } from "./opencode.ts";

export const clients: readonly Client[] = [claudeCode, codex, codexCodeMode, opencode];
