import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { ModelApi, ModelView } from "./api.ts";
import { nextMove, type Story } from "./story.ts";

/** A model on the loopback interface that plays a story, and keeps what it saw of the client. */
export class ModelServer implements AsyncDisposable {
  /** One for each move that it was asked for */
  readonly views: ModelView[] = [];
  /** What it could not answer */
  readonly problems: string[] = [];
  readonly #server: Server;
  readonly #api: ModelApi;
  readonly #story: Story;

  private constructor(api: ModelApi, story: Story) {
    this.#api = api;
    this.#story = story;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        this.problems.push(String(error));
        // A client tries again after most other errors.
        response.writeHead(400, json).end(JSON.stringify({ type: "error", error: { message: String(error) } }));
      });
    });
  }

  static async start(api: ModelApi, story: Story): Promise<ModelServer> {
    const model = new ModelServer(api, story);
    model.#server.listen(0, "127.0.0.1");
    await once(model.#server, "listening");
    return model;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const path = (request.url ?? "").split("?")[0];
    if (path !== this.#api.path) {
      answerInPassing(path, response);
      return;
    }
    const view = this.#api.read(JSON.parse(body));
    if (view) this.views.push(view);
    const stream = view
      ? this.#api.write(nextMove(this.#story, view), view)
      : this.#api.write({ text: "A title" }, { tools: [], system: "", prompt: "", results: [] });
    response.writeHead(200, { "content-type": "text/event-stream" }).end(stream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

const json = { "content-type": "application/json" };

/** What clients ask by the way: how many tokens something is, which models there are. */
function answerInPassing(path: string | undefined, response: ServerResponse): void {
  if (path?.endsWith("/count_tokens")) response.writeHead(200, json).end(JSON.stringify({ input_tokens: 1 }));
  else if (path?.endsWith("/models")) response.writeHead(200, json).end(JSON.stringify({ object: "list", data: [] }));
  else response.writeHead(404, json).end("{}");
}
