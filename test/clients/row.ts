import type { TestCluster } from './ground.ts';

/** A client, ready to be started: what `install` gives and `TestCluster.run` takes. */
export interface Program {
  command: string;
  args: string[];
  env?: Record<string, string>;
}

/** One line of the matrix: a real client, and what it must do against the real service. */
export interface Row {
  /** As its users call it, and as `--only` takes it. */
  name: string;
  /** The version that is installed, exactly; of programs that the machine brings, who brings them. */
  version: string;
  /** What is checked, as docs/clients.md prints it. */
  checked: string;
  /** Whether CI runs it each time. */
  isQuick: boolean;
  /** Fetches the client into `.cache/clients`, once. @throws MissingToolError */
  install(): Promise<Program>;
  /** Uses the client. @throws Error that says what was not as it must be */
  check(program: Program, ground: TestCluster): Promise<void>;
}

/** Raised where a row cannot be run here; the message says what to install. */
export class MissingToolError extends Error {
  constructor(tool: string, hint: string) {
    super(`${tool} is not on the PATH (${hint})`);
    this.name = 'MissingToolError';
  }
}
