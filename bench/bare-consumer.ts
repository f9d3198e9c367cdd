// Fetches a topic with the service's client and inserts its events into PostgreSQL, in the columns the service fills, and
// nothing else: when it is asked over HTTP.
import { Consumer, ListOffsetTimestamps } from '@platformatic/kafka';
import pg from 'pg';
import { HOUR_MS } from '../src/store/event-store.ts';
import { serveWork } from './bare.ts';

const FETCH_BYTES = 1024 * 1024;

const [brokers, topic, address] = process.argv.slice(2) as [string, string, string];

const TABLE = `create table bare (seq bigint generated always as identity primary key, event_key uuid not null unique,
  user_id text, event_type text, json text, partition integer, "offset" bigint, hour bigint, happened_at bigint,
  stored_at timestamptz, duplicates integer, conflicts integer)`;
const INSERT = `insert into bare (event_key, user_id, event_type, json, partition, "offset", hour, happened_at, stored_at,
  duplicates, conflicts)
  select *, now(), 0, 0 from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::bigint[],
  $7::bigint[], $8::bigint[]) on conflict do nothing`;

interface Event {
  eventId: string;
  userId: string;
  eventType: string;
  timestamp: string;
}

/** One array for each column of `INSERT`. */
class Columns {
  readonly all: (string | number)[][] = Array.from({ length: 8 }, () => []);

  add(json: string, partition: number, offset: number): void {
    const { eventId, userId, eventType, timestamp } = JSON.parse(json) as Event;
    const time = Date.parse(timestamp);
    const row = [eventId, userId, eventType, json, partition, offset, Math.floor(time / HOUR_MS), time];
    for (const [at, value] of row.entries()) this.all[at]!.push(value);
  }
}

async function copy(): Promise<number> {
  const consumer = new Consumer({ clientId: 'bare', groupId: 'bare', bootstrapBrokers: [brokers] });
  consumer.topics.track(topic);
  const client = new pg.Client({ connectionString: address });
  await client.connect();
  await client.query(`drop table if exists bare; ${TABLE}`);
  const metadata = await consumer.metadata({ topics: [topic] });
  const { id: topicId, partitions } = metadata.topics.get(topic)!;
  const ends = (await consumer.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.LATEST })).get(
    topic,
  )!;
  let count = 0;
  for (const [partition, { leader }] of partitions.entries()) {
    for (let offset = 0; offset < Number(ends[partition]); ) {
      const response = await consumer.fetch({
        node: leader,
        minBytes: 1,
        maxBytes: FETCH_BYTES,
        maxWaitTime: 500,
        isolationLevel: 1,
        topics: [
          {
            topicId,
            partitions: [
              {
                partition,
                fetchOffset: BigInt(offset),
                partitionMaxBytes: FETCH_BYTES,
                currentLeaderEpoch: -1,
                lastFetchedEpoch: -1,
              },
            ],
          },
        ],
      });
      const columns = new Columns();
      for (const batch of response.responses[0]!.partitions[0]!.records ?? []) {
        for (const { value, offsetDelta } of batch.records) {
          const at = Number(batch.firstOffset) + offsetDelta;
          if (at < offset) continue;
          columns.add(String(value), partition, at);
          offset = at + 1;
          count++;
        }
      }
      await client.query(INSERT, columns.all);
    }
  }
  await Promise.all([consumer.close(), client.end()]);
  return count;
}

serveWork(copy);
