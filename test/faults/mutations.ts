export interface Mutation {
  file: string;
  from: string;
  to: string;
}

/** A guarantee that can be taken out of the source, and how that is noticed. */
interface TakenOut {
  changes: Mutation[];
  /** Names of faults under which it shows: under each of them. */
  under: string[];
  /** How often the fault has to come, where it is chance whether it shows; once if not given. */
  times?: number;
  /** Tried also where all of them take too long. */
  isQuick?: true;
  /** What one of the violations says. */
  notices: RegExp;
}

/**
 * Guarantees that can be taken out of the source as it is loaded, in memory only, so that the history checker can show
 * that it would notice.
 */
export const MUTATIONS: Record<string, TakenOut> = {
  'commit before store': {
    isQuick: true,
    under: ['an instance is killed'],
    times: 2,
    notices: /^I1/,
    changes: [
      {
        file: 'src/processing/consumer.ts',
        from: 'await this.#options.processor.process(claimed);',
        to: `await this.#options.processor.process(
      placed.map((one) => ({ ...one, batch: { ...one.batch, records: [] } })),
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    await this.#options.processor.process(
      placed.map((one) => {
        const { nextOffset, records } = one.batch;
        return { ...one, fromOffset: nextOffset, firstOffset: nextOffset - records.length };
      }),
    );`,
      },
    ],
  },
  'no fencing': {
    isQuick: true,
    under: ['an instance is frozen past its session and wakes up'],
    times: 2,
    notices: /^I[1-4]/,
    changes: [
      {
        file: 'src/store/postgres/writer.ts',
        from: 'and p.epoch = b.epoch and p.next_offset is not distinct from b.from_offset',
        to: '',
      },
      // Takes no guarantee away, only time: so that an instance is almost always frozen with a batch in its hands, also
      // where storing one takes long.
      {
        file: 'src/processing/processor.ts',
        from: 'const { stored, conflicts, expired } = await traced(',
        to: `await new Promise((resolve) => setTimeout(resolve, 2000));
    const { stored, conflicts, expired } = await traced(`,
      },
    ],
  },
  'no release works beside a newer one': {
    under: ['instances are rolled to the next release and back'],
    notices: /^I7 not recovered/,
    changes: [
      {
        file: 'src/store/postgres/standing.ts',
        from: `coalesce((to_jsonb(m) ->> 'compatible_from') collate "C" > '\${NEWEST}', true)`,
        to: 'true',
      },
    ],
  },
  'no position in the transaction': {
    isQuick: true,
    under: ['instances are restarted one after the other'],
    notices: /^I[1-4]/,
    changes: [
      {
        file: 'src/store/postgres/writer.ts',
        from: 'next_offset = b.next_offset,',
        to: 'next_offset = coalesce(b.from_offset, b.next_offset),',
      },
    ],
  },
  'a batch need not continue where the store stands': {
    under: ['the database is restored to an earlier state', 'PostgreSQL loses its last commits in a crash'],
    // The first copy may be of before the last claim: then the claim refuses what the position should.
    times: 2,
    notices: /^I1 acknowledged and not stored/,
    changes: [
      {
        file: 'src/store/postgres/writer.ts',
        from: 'and p.next_offset is not distinct from b.from_offset',
        to: '',
      },
      // Would notice it as well, if it looked before the first batch.
      {
        file: 'src/processing/watchdog.ts',
        from: 'if (moved.length > 0) this.#options.moved(moved);',
        to: '',
      },
    ],
  },
  'nobody looks where the store stands': {
    under: ['the database is restored while nothing comes in'],
    notices: /^I7 with nothing coming in/,
    changes: [
      {
        file: 'src/processing/watchdog.ts',
        from: 'if (moved.length > 0) this.#options.moved(moved);',
        to: '',
      },
    ],
  },
  'the events may be gone': {
    isQuick: true,
    under: ['tables are emptied: events'],
    notices: /^I1 acknowledged and not stored/,
    changes: [
      {
        file: 'src/store/position-sql.ts',
        from: '`(select max(seq) from events) is null',
        to: '`false',
      },
    ],
  },
  'the log is taken for the one that was read': {
    under: ['Kafka is restored to an earlier state and written to'],
    notices: /^I1 acknowledged and not stored/,
    changes: [
      {
        file: 'src/processing/start-position.ts',
        from: 'const held = await landmarksHeld(assigned, offset, known, log);',
        to: 'const held = known;',
      },
    ],
  },
  'partitions for members that do not want them': {
    under: ['a service with another topic is in the same group'],
    notices: /^I7/,
    changes: [
      {
        file: 'src/log/kafka/assigner.ts',
        from: 'members.get(memberId)!.topics?.includes(topic)',
        to: 'members.has(memberId)',
      },
    ],
  },
  'records of transactions that are open or rolled back': {
    under: ['another producer leaves a transaction open and rolls it back later'],
    notices: /^I2 stored and never in the topic/,
    changes: [
      {
        file: 'src/log/kafka/fetch.ts',
        from: 'FetchIsolationLevels.READ_COMMITTED,',
        to: 'FetchIsolationLevels.READ_UNCOMMITTED,',
      },
    ],
  },
  'a topic that is missing is not looked for': {
    under: ['the topic is deleted and nobody but the service creates it'],
    notices: /^I7 the service has not created its topic/,
    changes: [
      {
        file: 'src/log/kafka/topics.ts',
        from: 'this.#ready = undefined;',
        to: '',
      },
    ],
  },
  'the store counts as there when it answers': {
    under: ['the database is read-only', 'the table events is locked'],
    notices: /^I8/,
    changes: [
      {
        file: 'src/store/postgres/probe.ts',
        from: "].join(';');",
        to: "].slice(0, 1).join(';');",
      },
    ],
  },
  'durations by the wall clock': {
    under: ['clocks jump 10 minutes back while PostgreSQL is away'],
    notices: /^I8/,
    changes: [
      {
        file: 'src/clock.ts',
        from: 'performance.now()',
        to: 'Date.now()',
      },
    ],
  },
  'an answer before it is durable': {
    under: ['broker killed'],
    notices: /^I1 acknowledged/,
    changes: [
      {
        file: 'src/ingest/producer.ts',
        from: 'if (result instanceof AppendError) return this.#failed(result);',
        to: `if (result instanceof AppendError)
        return this.#accepted(events[at]!, { topic: this.#options.topic, partition: 0, offset: 0 });`,
      },
    ],
  },
  'another event than was answered': {
    isQuick: true,
    under: ['junk in the topic'],
    notices: /^I1 acknowledged and stored as another event/,
    changes: [
      {
        file: 'src/ingest/producer.ts',
        from: 'value: json,',
        to: `value: json.replace('"number":7}', '"number":8}'),`,
      },
    ],
  },
};
