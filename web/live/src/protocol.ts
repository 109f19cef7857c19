// The messages of /ws, one JSON object per text frame. docs/lab.md has the table. They come from
// where this page comes from, so only their type is looked at.

export type Value = string | number;

/** `at` is in seconds since the server began; null: not known then. */
export interface Figures {
  at: number;
  requests: number;
  load_share: number;
  p50: number | null;
  p99: number | null;
  max: number | null;
  cpu_us?: number | null;
  switches?: number | null;
  server_share?: number;
  memory?: number;
}

export interface Mark {
  at: number;
  text: string;
}

export interface Dial {
  dial: string;
  choices: { value: Value; why_not: string; says?: string }[];
}

export type Calls =
  | { counted_at: string; error: string }
  | { counted_at: string; system_calls_per_request: number; system_calls: Record<string, number> };

/** Begin and end in µs from when the kernel had the data, and what the thread did. */
export type Piece = [number, number, string];

export type Trace =
  | { error: string }
  | { model: string; left_out: string }
  | {
      model: string;
      architecture: string;
      times_us: Record<
        'begin' | 'sending' | 'copy_begin' | 'copied' | 'handler' | 'answering' | 'answered',
        number
      >;
      handlers_thread: number;
      wait: { is: string; call: string; asked_in_vain: number };
      copy: { by: string; call: string; thread: number };
      posix: string;
      sentence: string;
      untraced_us: { handler: number; answer: number } | null;
      threads: { thread: number; pieces: Piece[] }[];
    };

export interface State {
  type: 'state';
  phase: 'starting' | 'connecting' | 'running' | 'failed';
  says: string;
  position: Record<string, Value>;
  dials: Dial[];
  doing: string;
  calls: Calls | null;
}

export interface Hello {
  type: 'hello';
  polyio: string;
  machine: Record<string, unknown>;
  server_cores: number[];
  load_cores: number[];
  seconds: number;
  figures: Figures[];
  marks: Mark[];
}

export type FromServer =
  | Hello
  | State
  | { type: 'figures'; figures: Figures }
  | { type: 'mark'; mark: Mark }
  | { type: 'trace'; trace: Trace | null }
  | { type: 'error'; text: string };

export interface ToServer {
  type: 'turn';
  dials: Record<string, Value>;
}

const TYPES = ['hello', 'state', 'figures', 'mark', 'trace', 'error'];

export function parse(frame: unknown): FromServer | null {
  try {
    const value = JSON.parse(String(frame)) as FromServer;
    return TYPES.includes(value.type) ? value : null;
  } catch {
    return null;
  }
}
