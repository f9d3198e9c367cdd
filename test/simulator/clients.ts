import { encodeEvent } from '../../src/events/event.ts';
import type { NewRecord } from '../../src/log/event-log.ts';
import { AppendError } from '../../src/log/event-log.ts';
import { partitionOf } from '../../src/log/partitioner.ts';
import type { Acked } from '../faults/load.ts';
import { TOPIC } from './names.ts';
import type { PartitionLog } from './partition-log.ts';
import { SimulatedProcess } from './process.ts';
import { SimulatedLog, toLogRecord } from './simulated-log.ts';
import type { World } from './world.ts';

const USERS = ['alice', 'bob', 'dave', 'carol'];
const TRIES = 4;
const TIME = '2024-02-14T10:30:00.000Z';
const JUNK: Record<string, string | null> = {
  'no value': null,
  'no JSON': 'junk',
  'no event': '[]',
  'an event without type': '{"eventId":"x","userId":"alice"}',
};

/** An event that was posted. */
interface Posted {
  userId: string;
  eventId: string;
}

interface TransactionEnd {
  /** After which it ends; undefined for one that does not. */
  ms: number | undefined;
  commits: boolean;
  /** Whether its marker is of a later epoch than its records. */
  leaderChanges: boolean;
}

/** Users who each post one event after the other, and producers of others that write into the same topic. */
export class Clients {
  readonly acked: Acked[] = [];
  readonly #world: World;
  readonly #process: SimulatedProcess;
  readonly #log: SimulatedLog;
  readonly #queues = new Map<string, Promise<void>>();
  readonly #posted: Posted[] = [];
  #inFlight = 0;
  #events = 0;
  #transactions = 0;

  constructor(world: World) {
    this.#world = world;
    this.#process = new SimulatedProcess(world, 'clients');
    this.#log = new SimulatedLog(this.#process);
  }

  get areIdle(): boolean {
    return this.#inFlight === 0;
  }

  post(who: number, count: number, tryAgain: boolean): void {
    const userId = userOf(who);
    for (let at = 0; at < count; at++) {
      const posted = { userId, eventId: this.#newId() };
      this.#posted.push(posted);
      this.#send(posted, '1', tryAgain ? TRIES : 1);
    }
  }

  /** Posts an event that goes to a partition. */
  probe(partition: number): void {
    this.#send({ userId: this.#userIn(partition), eventId: this.#newId() }, '1', TRIES);
  }

  postAgain(_who: number, ago: number, same: boolean): void {
    const posted = this.#posted.at(-ago);
    if (posted === undefined) return;
    this.#world.saw(same ? 'event in the log twice' : 'event twice with different bodies');
    this.#send(posted, same ? '1' : '2', 1);
  }

  junk(who: number, count: number, how: string): void {
    const records = Array.from({ length: count }, () => toRecord(userOf(who), JUNK[how]!));
    this.#inFlight++;
    void this.#log.append(records).then(() => this.#inFlight--);
  }

  transaction(who: number, count: number, end: TransactionEnd): void {
    this.#transaction(
      Array.from({ length: count }, (_, at) => userOf(who + at)),
      end,
    );
  }

  /** One event in a partition. */
  transactionIn(partition: number, end: TransactionEnd): void {
    this.#transaction([this.#userIn(partition)], end);
  }

  #transaction(users: readonly string[], { ms, commits, leaderChanges }: TransactionEnd): void {
    const { partitions } = this.#world.topics.get(TOPIC);
    const transaction = this.#transactions++;
    const logs = new Set<PartitionLog>();
    for (const userId of users) {
      const key = Buffer.from(userId);
      const log = partitions[partitionOf(key, partitions.length)]!;
      const event = eventText({ userId, eventId: `foreign ${this.#events++}` }, '1');
      log.append(toLogRecord(toRecord(userId, event), key, this.#world.wallClock()), transaction);
      logs.add(log);
    }
    this.#world.saw('open transaction held records back');
    if (ms === undefined) return;
    this.#world.at(ms, () => {
      for (const log of logs) {
        if (leaderChanges) {
          log.elect();
          this.#world.saw('transaction committed under another leader');
        }
        const isEnded = log.finish(transaction, commits ? 'committed' : 'aborted');
        if (isEnded && !commits) this.#world.saw('hole where a transaction was aborted');
      }
      this.#world.logChanged();
    });
  }

  /** A user waits for the answer before the next event. */
  #send(posted: Posted, body: string, tries: number): void {
    this.#inFlight++;
    const before = this.#queues.get(posted.userId) ?? Promise.resolve();
    const sent = before.then(() => this.#try(posted, body, tries)).then(() => void this.#inFlight--);
    this.#queues.set(posted.userId, sent);
  }

  async #try(posted: Posted, body: string, tries: number): Promise<void> {
    for (let left = tries; left > 0; left--) {
      const [result] = await this.#log.append([toRecord(posted.userId, eventText(posted, body))]);
      if (!(result instanceof AppendError)) {
        const { partition, offset } = result!;
        this.acked.push({ ...posted, topicId: this.#world.topicIdOf(result!), partition, offset });
        return;
      }
      await this.#process.clock.sleep(300);
    }
  }

  #userIn(partition: number): string {
    const { length } = this.#world.topics.get(TOPIC).partitions;
    for (let number = 0; ; number++) {
      const userId = `probe ${number}`;
      if (partitionOf(Buffer.from(userId), length) === partition) return userId;
    }
  }

  #newId(): string {
    const number = this.#events++;
    // Now and then an id that is no UUID.
    if (number % 7 === 6) return `event ${number}`;
    return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
  }
}

function userOf(who: number): string {
  return USERS[who % USERS.length]!;
}

function eventText({ eventId, userId }: Posted, body: string): string {
  return encodeEvent({ eventId, userId, eventType: 'LOGIN', timestamp: TIME, payload: `{"body":${body}}` });
}

function toRecord(userId: string, value: string | null): NewRecord {
  return { topic: TOPIC, key: userId, value, headers: [] };
}
