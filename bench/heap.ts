import { freePort } from '../src/cli/kafka/free-port.ts';

/** Looks at the memory of a Node process through its inspector. */
export class HeapProbe {
  readonly #port: number;

  private constructor(port: number) {
    this.#port = port;
  }

  static async make(): Promise<HeapProbe> {
    return new HeapProbe(await freePort());
  }

  /** What the process must be started with. */
  get nodeArguments(): string[] {
    return [`--inspect=127.0.0.1:${this.#port}`, '--inspect-publish-uid=http'];
  }

  /** Collects garbage. @returns bytes in use: objects of JavaScript, and buffers */
  async used(): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#port}/json/list`);
    const [target] = (await response.json()) as { webSocketDebuggerUrl: string }[];
    const socket = new WebSocket(target!.webSocketDebuggerUrl);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    await command(socket, 'HeapProfiler.collectGarbage');
    const { result } = await command<{ result: { value: string } }>(socket, 'Runtime.evaluate', {
      expression: 'JSON.stringify(process.memoryUsage())',
    });
    socket.close();
    const { heapUsed, external } = JSON.parse(result.value) as NodeJS.MemoryUsage;
    return heapUsed + external;
  }
}

function command<Result>(socket: WebSocket, method: string, params = {}): Promise<Result> {
  return new Promise((resolve) => {
    socket.onmessage = ({ data }) => resolve((JSON.parse(String(data)) as { result: Result }).result);
    socket.send(JSON.stringify({ id: 1, method, params }));
  });
}
