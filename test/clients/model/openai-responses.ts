import * as z from "zod";
import { callId, eventStream, type ModelApi, type ModelView, type Move, nameOfClient, serverName } from "./api.ts";

const text = z.looseObject({ type: z.string(), text: z.string().default("") });
const functionTool = z.looseObject({ name: z.string().default(""), description: z.string().default("") });
const tool = functionTool.extend({ type: z.string(), tools: z.array(functionTool).default([]) });

const responsesRequest = z.object({
  input: z.array(
    z.looseObject({
      type: z.string(),
      role: z.string().optional(),
      content: z.array(text).default([]),
      output: z.union([z.string(), z.array(text)]).default(""),
      tools: z.array(tool).default([]),
    }),
  ),
  tools: z.array(tool).default([]),
});

const namespace = `mcp__${serverName}`;

/**
 * https://platform.openai.com/docs/api-reference/responses, as far as Codex uses it with models
 * that call tools one by one
 */
export const openaiResponses: ModelApi = {
  path: "/v1/responses",
  read: readResponses,
  write(move, view) {
    if ("text" in move) return responseStream(view, message(move.text));
    return responseStream(view, {
      type: "function_call",
      id: `fc_${callId(view)}`,
      call_id: callId(view),
      namespace,
      name: nameOfClient(view, move.tool),
      arguments: JSON.stringify(move.args),
    });
  },
};

/**
 * The same for models that Codex lets write programs that call tools ("code mode", as with all of
 * its own models of late 2026). Such a model is told that the server is there, but not its tools: a
 * program finds them in `ALL_TOOLS`.
 */
export const openaiCodeMode: ModelApi = {
  path: openaiResponses.path,
  read: readResponses,
  write(move, view) {
    if ("text" in move) return responseStream(view, message(move.text));
    return responseStream(view, {
      type: "custom_tool_call",
      id: `ctc_${callId(view)}`,
      call_id: callId(view),
      namespace: "functions",
      name: "exec",
      input: programFor(move),
    });
  },
};

/** Asks for `listTools` in code mode, and gets the name and description of every tool. */
export const listTools = "ALL_TOOLS";

function programFor(move: Extract<Move, { tool: string }>): string {
  if (move.tool === listTools) return `text(ALL_TOOLS.filter(({ name }) => name.startsWith("${namespace}__")))`;
  const call = `tools.${namespace}__${move.tool}(${JSON.stringify(move.args)})`;
  return `const result = await ${call};\ntext(result.structuredContent ?? result.content[0].text);`;
}

function readResponses(request: unknown): ModelView | undefined {
  const { input, tools } = responsesRequest.parse(request);
  const all = [...tools, ...input.flatMap((item) => item.tools)];
  if (all.length === 0) return undefined;
  const textsOf = (role: string) =>
    input.filter((item) => item.role === role).flatMap(({ content }) => content.map((part) => part.text));
  const ours = all.filter(({ type, name }) => type === "namespace" && name === namespace);
  return {
    tools: ours.flatMap((group) =>
      group.tools.map(({ name, description }) => ({ name, nameOfClient: name, description })),
    ),
    system: [...ours.map(({ description }) => description), ...textsOf("developer")].join("\n"),
    prompt: textsOf("user").join("\n"),
    results: input
      .filter(({ type }) => type === "function_call_output" || type === "custom_tool_call_output")
      .map(({ output }) => (typeof output === "string" ? output : output.map((part) => part.text).join(""))),
  };
}

function message(said: string) {
  return { type: "message", id: "msg", role: "assistant", content: [{ type: "output_text", text: said }] };
}

function responseStream(view: ModelView, item: object): string {
  const id = `resp_${view.results.length}`;
  const usage = { input_tokens: 1, input_tokens_details: null, output_tokens: 1, output_tokens_details: null };
  return eventStream(
    [
      { type: "response.created", response: { id } },
      { type: "response.output_item.done", output_index: 0, item },
      { type: "response.completed", response: { id, usage: { ...usage, total_tokens: 2 } } },
    ].map((event) => [event.type, event]),
  );
}
