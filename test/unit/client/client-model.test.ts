import fc from 'fast-check';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type Client,
  type ClientModule,
  type ClientOptions,
  loadClient,
  type QueuedEvent,
} from '../../support/client.ts';
import { ANSWERS, type Answer, ScriptedService } from '../../support/scripted-service.ts';
import { stopClock } from '../../support/stopped-clock.ts';

const MAX_QUEUED = 20;
const HOUR = 3_600_000;
const REPORT = 'EVENTS_DROPPED';

let Footfall: ClientModule['Footfall'];

beforeAll(async () => {
  ({ Footfall } = await loadClient());
});

const circular: Record<string, unknown> = {};
circular.itself = circular;
/** What an event may carry; the others cannot be written. */
const PAYLOADS: Record<string, object> = {
  plain: { productId: 'lamp' },
  large: { text: 'é'.repeat(1500) },
  circular,
  bigint: { total: 1n },
  throwing: {
    toJSON() {
      throw new Error('not today');
    },
  },
};
const WRITABLE = ['plain', 'large'];

/** What is expected of each event, by its id. */
type Fate = 'waits' | 'may be gone' | 'is not taken';

interface Model {
  state: 'on' | 'paused' | 'off';
  fates: Map<string, Fate>;
  /** Tracked while paused: not to be sent before that ends. */
  held: Set<string>;
  hasForgotten: boolean;
}

interface Real {
  client: Client;
  service: ScriptedService;
  dropped: QueuedEvent[];
  reasons: string[];
  errors: string[];
}

/** Lets answers arrive, while the clock stands. */
async function turn(times: number): Promise<void> {
  for (let time = 0; time < times; time++) await new Promise(setImmediate);
}

function check(model: Model, { client, service, dropped, reasons }: Real): void {
  // One more: the report of what was dropped.
  expect(client.queued).toBeLessThanOrEqual(MAX_QUEUED + 1);
  expect(service.conflicts).toEqual([]);
  expect(reasons).toHaveLength(dropped.length);
  expect(new Set(dropped.map(({ eventId }) => eventId)).size).toBe(dropped.length);
  const tooSoon = service.ids.filter((id) => model.held.has(id) || model.fates.get(id) === 'is not taken');
  expect(tooSoon).toEqual([]);
}

class Track implements fc.AsyncCommand<Model, Real> {
  readonly kinds: string[];
  constructor(kinds: string[]) {
    this.kinds = kinds;
  }
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    for (const kind of this.kinds) {
      const before = real.dropped.length;
      const id = real.client.track('u', 'clicked', PAYLOADS[kind]);
      model.fates.set(id, model.state === 'off' ? 'is not taken' : 'waits');
      if (model.state === 'paused') model.held.add(id);
      const isUnwritable = model.state !== 'off' && !WRITABLE.includes(kind);
      if (isUnwritable) expect(real.reasons[before]).toMatch(/^it cannot be written as JSON: /);
    }
    check(model, real);
  }
  toString = () => `track(${this.kinds})`;
}

class AnswerNext implements fc.AsyncCommand<Model, Real> {
  readonly answer: Answer;
  constructor(answer: Answer) {
    this.answer = answer;
  }
  check = () => true;
  async run(_model: Model, { service }: Real): Promise<void> {
    service.next.push(this.answer);
  }
  toString = () => `answer ${this.answer}`;
}

class Pass implements fc.AsyncCommand<Model, Real> {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    vi.advanceTimersByTime(this.ms);
    await turn(15);
    check(model, real);
  }
  toString = () => `pass ${this.ms} ms`;
}

class Pause implements fc.AsyncCommand<Model, Real> {
  check = ({ state }: Readonly<Model>) => state === 'on';
  async run(model: Model, { client }: Real): Promise<void> {
    model.state = 'paused';
    client.pause();
  }
  toString = () => 'pause';
}

class Resume implements fc.AsyncCommand<Model, Real> {
  check = () => true;
  async run(model: Model, { client }: Real): Promise<void> {
    model.state = 'on';
    model.held.clear();
    client.resume();
  }
  toString = () => 'resume';
}

class Forget implements fc.AsyncCommand<Model, Real> {
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    model.state = 'off';
    model.hasForgotten = true;
    for (const [id, fate] of model.fates) {
      if (fate === 'waits') model.fates.set(id, model.held.has(id) ? 'is not taken' : 'may be gone');
    }
    const forgotten = real.client.forget();
    expect(real.client.queued).toBe(0);
    await forgotten;
  }
  toString = () => 'forget';
}

const commands = [
  fc
    .array(fc.constantFrom(...Object.keys(PAYLOADS), 'plain', 'plain', 'plain'), {
      minLength: 1,
      maxLength: 12,
    })
    .map((kinds) => new Track(kinds)),
  fc.constantFrom(...(Object.keys(ANSWERS) as Answer[])).map((answer) => new AnswerNext(answer)),
  fc.constantFrom(...(Object.keys(ANSWERS) as Answer[])).map((answer) => new AnswerNext(answer)),
  fc.constantFrom(10, 1000, 30_000, HOUR).map((ms) => new Pass(ms)),
  fc.constantFrom(10, 1000, 30_000, HOUR).map((ms) => new Pass(ms)),
  fc.constant(new Pause()),
  fc.constant(new Resume()),
  fc.constant(new Resume()),
  fc.constant(new Forget()),
];

async function setUp(): Promise<{ model: Model; real: Real }> {
  const service = await ScriptedService.start();
  const dropped: QueuedEvent[] = [];
  const reasons: string[] = [];
  const errors: string[] = [];
  const options: ClientOptions = {
    url: service.url,
    batchSize: 7,
    maxQueued: MAX_QUEUED,
    maxQueuedBytes: 20_000,
    onDropped(events, why) {
      dropped.push(...events);
      reasons.push(...why);
      throw new Error('a listener of little use');
    },
    onError: ({ message }) => errors.push(message),
  };
  const real = { client: new Footfall(options), service, dropped, reasons, errors };
  return { model: { state: 'on', fates: new Map(), held: new Set(), hasForgotten: false }, real };
}

/** From here on all is well: what waits arrives. */
async function letArrive({ client, service }: Real, isOver: () => boolean): Promise<void> {
  service.next.length = 0;
  client.resume();
  void client.flush();
  while (client.queued > 0 && !isOver()) {
    vi.advanceTimersByTime(HOUR);
    await turn(5);
  }
}

function checkEnd(model: Model, real: Real): void {
  const { service, dropped, errors } = real;
  const droppedIds = new Set(dropped.map(({ eventId }) => eventId));
  for (const [id, fate] of model.fates) {
    const was = `${fate}: ${service.stored.has(id) ? 'stored' : ''} ${droppedIds.has(id) ? 'dropped' : ''}`;
    if (fate === 'waits') expect(was).toMatch(/^waits: (stored | dropped)$/);
  }
  const reports = [...service.stored.values()].filter(({ eventType }) => eventType === REPORT);
  for (const { eventId, eventType } of service.batches.flat()) {
    // A report may be refused, or be on its way when all is forgotten.
    expect(model.fates.has(eventId) || eventType === REPORT).toBe(true);
  }
  const canReport = !errors.some((message) => message.includes('cannot be reported'));
  if (model.hasForgotten || !canReport) return;
  const reported = reports.flatMap(({ payload }) => Object.values(payload) as number[]);
  expect(reported.reduce((sum, count) => sum + count, 0)).toBe(dropped.length);
}

describe('whatever the service answers, and whatever the page does', () => {
  it('the client loses nothing silently, sends nothing under a new id, and holds no more than it may', async () => {
    stopClock();
    vi.spyOn(console, 'error').mockImplementation(() => {});
    let isOver = false;
    onTestFinished(() => {
      isOver = true;
    });
    const run = async (steps: Iterable<fc.AsyncCommand<Model, Real>>) => {
      const ground = await setUp();
      await fc.asyncModelRun(() => ground, steps);
      const { model, real } = ground;
      await letArrive(real, () => isOver);
      model.state = 'on';
      model.held.clear();
      // What was dropped last is told with the next batch.
      model.fates.set(real.client.track('u', 'clicked'), 'waits');
      await letArrive(real, () => isOver);
      check(model, real);
      checkEnd(model, real);
      real.service.stop();
    };
    await fc.assert(fc.asyncProperty(fc.commands(commands, { maxCommands: 40 }), run), { numRuns: 150 });
  });
});
