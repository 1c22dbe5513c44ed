import * as z from "zod";
import { callId, eventStream, type ModelApi, nameOfClient, serverName } from "./api.ts";

const content = z.union([z.string(), z.array(z.looseObject({ text: z.string().default("") }))]).nullish();

const chatRequest = z.object({
  messages: z.array(z.object({ role: z.string(), content })),
  tools: z
    .array(z.object({ function: z.looseObject({ name: z.string(), description: z.string().default("") }) }))
    .default([]),
});

/** https://platform.openai.com/docs/api-reference/chat/create, as far as OpenCode uses it */
export const openaiChat: ModelApi = {
  path: "/v1/chat/completions",
  read(request) {
    const { messages, tools } = chatRequest.parse(request);
    if (tools.length === 0) return undefined;
    const textsOf = (wanted: string) =>
      messages.filter(({ role }) => role === wanted).map((each) => textOf(each.content));
    const prefix = `${serverName}_`;
    return {
      tools: tools
        .map((each) => each.function)
        .filter(({ name }) => name.startsWith(prefix))
        .map(({ name, description }) => ({ name: name.slice(prefix.length), nameOfClient: name, description })),
      system: textsOf("system").join("\n"),
      prompt: textsOf("user").join("\n"),
      results: textsOf("tool"),
    };
  },
  write(move, view) {
    const chunk = (delta: object, finishReason: string | null = null) => ({
      id: `chat_${view.results.length}`,
      object: "chat.completion.chunk",
      created: 0,
      model: "loopback",
      choices: [{ index: 0, delta, finish_reason: finishReason }],
    });
    const isCall = "tool" in move;
    const said = isCall ? { tool_calls: [toolCall(nameOfClient(view, move.tool), move.args)] } : { content: move.text };
    const chunks = [
      chunk({ role: "assistant", content: "" }),
      chunk(said),
      chunk({}, isCall ? "tool_calls" : "stop"),
      "[DONE]",
    ];
    return eventStream(chunks.map((data) => [undefined, data]));

    function toolCall(name: string, args: object) {
      return { index: 0, id: callId(view), type: "function", function: { name, arguments: JSON.stringify(args) } };
    }
  },
};

function textOf(value: z.output<typeof content>): string {
  if (typeof value === "string") return value;
  return (value ?? []).map(({ text }) => text).join("\n");
}
