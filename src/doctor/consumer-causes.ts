import type { KnownCause } from './finding.ts';

/** What only the consumer notices; the first that fits counts. */
export const CONSUMER_CAUSES: readonly KnownCause[] = [
  {
    code: 'position_moved',
    said: /the position was moved past/,
    cause: 'Somebody moved a position forward',
    next: 'Run footfall verify, which lists what was passed over, and go back to before it: footfall positions reset --to-offset … --partition … --execute',
  },
  {
    code: 'held_back',
    said: /held back by an open transaction/,
    cause: 'An open transaction of another producer holds back what comes after it',
    next: 'End it, or find it with kafka-transactions.sh find-hanging and abort it with kafka-transactions.sh abort',
  },
  {
    code: 'kafka_quota',
    said: /quota for this client \(consumer_byte_rate\) is used up/,
    cause: "Kafka's quota limits how fast this client may read",
    next: 'Raise consumer_byte_rate for its client id or user with kafka-configs.sh; until then Footfall stores as fast as it may read',
  },
  {
    code: 'nobody_stores',
    said: /no member of group .* has stored any/,
    cause: 'Nobody stores the records that wait',
    next: 'Start consumers (ROLE=all or consumer); a service with another database needs a KAFKA_CONSUMER_GROUP of its own',
  },
  {
    code: 'partition_stuck',
    said: /no progress in partition/,
    cause: 'The consumer does not move a partition',
    next: 'Wait: it rejoins the group by itself. If it does not help, restart it and keep its log',
  },
  {
    code: 'consumer_starting',
    said: /the consumer is (starting|recovering)/,
    cause: 'The consumer does not process yet',
    next: 'Wait up to KAFKA_CONSUMER_SESSION_TIMEOUT_MS: the session of an instance that died has to end first',
  },
];
