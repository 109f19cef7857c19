// The WebSocket and its coming back: exponential back-off with jitter, 0.5 s to 30 s. A connection
// counts once the server has said hello; one that breaks within 5 s does not reset the back-off.

/** The address of the WebSocket `ws` beside this page. */
export function webSocketUrl(): string {
  const url = new URL('ws', location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

export type State =
  | { name: 'connecting' }
  | { name: 'connected' }
  | { name: 'waiting'; seconds: number; offline: boolean };

interface Typed {
  type: string;
}

interface Events<From, To> {
  state(state: State): void;
  message(message: From): void;
  /** What a frame says; null: nothing that this page knows. */
  parse(frame: unknown): From | null;
  /** Whether the server has to say something after it. */
  answered(message: To): boolean;
}

const HELLO_WITHIN_MS = 10_000;
const STEADY_AFTER_MS = 5_000;
const ANSWER_WITHIN_MS = 20_000;

export class Connection<From extends Typed, To extends Typed> {
  private socket: WebSocket | null = null;
  private attempts = 0;
  private connectedAt = 0; // 0: no hello yet
  private retryAt = 0;
  private ticking = 0;
  private watchdog = 0;

  constructor(
    private readonly url: string,
    private readonly events: Events<From, To>,
  ) {
    window.addEventListener('online', () => this.connectNow());
    window.addEventListener('offline', () => this.lost());
    // A page restored from the back-forward cache has lost its socket.
    window.addEventListener('pageshow', (event) => event.persisted && this.connectNow());
  }

  get connected(): boolean {
    return this.connectedAt > 0;
  }

  connectNow(): void {
    if (this.socket) return;
    clearInterval(this.ticking);
    this.events.state({ name: 'connecting' });
    const socket = new WebSocket(this.url);
    this.socket = socket;
    // Events of a socket given up on are ignored.
    socket.onmessage = (event) => this.socket === socket && this.received(event.data);
    socket.onclose = () => this.socket === socket && this.lost();
    this.expectWithin(HELLO_WITHIN_MS);
  }

  /** False if not connected: nothing was sent. */
  send(message: To): boolean {
    if (!this.connected || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    // Silence means that the connection is dead.
    if (this.events.answered(message)) this.expectWithin(ANSWER_WITHIN_MS);
    return true;
  }

  private expectWithin(ms: number): void {
    clearTimeout(this.watchdog);
    this.watchdog = window.setTimeout(() => this.lost(), ms);
  }

  private received(frame: unknown): void {
    clearTimeout(this.watchdog);
    const message = this.events.parse(frame);
    if (!message) return;
    if (message.type === 'hello') {
      this.connectedAt = Date.now();
      this.events.state({ name: 'connected' });
    }
    this.events.message(message);
  }

  private lost(): void {
    const socket = this.socket;
    if (!socket) return;
    clearTimeout(this.watchdog);
    this.socket = null;
    socket.close();
    if (this.connectedAt && Date.now() - this.connectedAt >= STEADY_AFTER_MS) this.attempts = 0;
    this.connectedAt = 0;
    const most = Math.min(30_000, 1000 * 2 ** this.attempts++);
    this.retryAt = Date.now() + most * (0.5 + Math.random() / 2);
    this.ticking = window.setInterval(() => this.tick(), 250);
    this.tick();
  }

  private tick(): void {
    const left = this.retryAt - Date.now();
    if (left <= 0) return this.connectNow();
    this.events.state({
      name: 'waiting',
      seconds: Math.ceil(left / 1000),
      offline: !navigator.onLine,
    });
  }
}
