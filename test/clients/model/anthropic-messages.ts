import * as z from "zod";
import { callId, eventStream, type ModelApi, type ModelView, type Move, nameOfClient, serverName } from "./api.ts";

const textBlock = z.object({ type: z.literal("text"), text: z.string() });
const toolResult = z.object({
  type: z.literal("tool_result"),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))]).default(""),
});
const block = z.union([textBlock, toolResult, z.looseObject({ type: z.string() })]);

const messagesRequest = z.object({
  system: z.union([z.string(), z.array(textBlock)]).default(""),
  messages: z.array(z.object({ role: z.string(), content: z.union([z.string(), z.array(block)]) })),
  tools: z.array(z.looseObject({ name: z.string(), description: z.string().default("") })).default([]),
});

/** https://docs.anthropic.com/en/api/messages, as far as Claude Code uses it */
export const anthropicMessages: ModelApi = {
  path: "/v1/messages",
  read(request) {
    const { system, messages, tools } = messagesRequest.parse(request);
    if (tools.length === 0) return undefined;
    const blocksOf = (content: (typeof messages)[number]["content"]) =>
      typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
    const textsOf = (wanted: string) =>
      messages
        .filter(({ role }) => role === wanted)
        .flatMap(({ content }) => blocksOf(content))
        .flatMap((each) => (isText(each) ? [each.text] : []));
    const prefix = `mcp__${serverName}__`;
    return {
      tools: tools
        .filter(({ name }) => name.startsWith(prefix))
        .map(({ name, description }) => ({ name: name.slice(prefix.length), nameOfClient: name, description })),
      system: [
        ...(typeof system === "string" ? [system] : system.map(({ text }) => text)),
        ...textsOf("system"),
        ...textsOf("user").filter(isReminder),
      ].join("\n"),
      prompt: textsOf("user")
        .filter((text) => !isReminder(text))
        .join("\n"),
      results: messages
        .flatMap(({ content }) => blocksOf(content))
        .flatMap((each) => (isResult(each) ? [resultText(each)] : [])),
    };
  },
  write(move, view) {
    const message = {
      id: `msg_${view.results.length}`,
      type: "message",
      role: "assistant",
      model: "loopback",
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 1, output_tokens: 1 },
    };
    const isCall = "tool" in move;
    const end = { delta: { stop_reason: isCall ? "tool_use" : "end_turn", stop_sequence: null } };
    return eventStream(
      [
        { type: "message_start", message },
        ...contentEvents(move, view),
        { type: "content_block_stop", index: 0 },
        { type: "message_delta", ...end, usage: { output_tokens: 1 } },
        { type: "message_stop" },
      ].map((event) => [event.type, event]),
    );
  },
};

function contentEvents(move: Move, view: ModelView) {
  const [block, delta] =
    "tool" in move
      ? [
          { type: "tool_use", id: `toolu_${callId(view)}`, name: nameOfClient(view, move.tool), input: {} },
          { type: "input_json_delta", partial_json: JSON.stringify(move.args) },
        ]
      : [
          { type: "text", text: "" },
          { type: "text_delta", text: move.text },
        ];
  return [
    { type: "content_block_start", index: 0, content_block: block },
    { type: "content_block_delta", index: 0, delta },
  ];
}

type Block = z.output<typeof block>;

function isText(each: Block): each is z.output<typeof textBlock> {
  return each.type === "text";
}

function isResult(each: Block): each is z.output<typeof toolResult> {
  return each.type === "tool_result";
}

function resultText({ content }: z.output<typeof toolResult>): string {
  return typeof content === "string" ? content : content.map(({ text, type }) => text ?? `[${type}]`).join("\n");
}

/** Claude Code talks to its model in the user's name too. */
function isReminder(text: string): boolean {
  return text.startsWith("<system-reminder>");
}
