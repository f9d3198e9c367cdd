import { describe, expect, it } from 'vitest';
import { ordered, type PlacedFinding, statusOf } from '../../../src/doctor/finding.ts';
import { metricFindings } from '../../../src/doctor/metric-findings.ts';
import { explain, explainConsumer } from '../../../src/doctor/said.ts';

const finding = (code: string, more: Partial<PlacedFinding> = {}): PlacedFinding => {
  return { code, severity: 'error', cause: `${code}.`, next: '', detail: '', depth: 'service', ...more };
};

describe('the order of findings', () => {
  it('has errors before warnings, and a cause before what follows from it', () => {
    const found = [
      finding('d', { severity: 'warning', depth: 'settings' }),
      finding('c', { depth: 'group' }),
      finding('a', { depth: 'log' }),
      finding('b', { depth: 'store' }),
    ];
    expect(ordered(found).map(({ code }) => code)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('names each cause once, by who is nearest to it', () => {
    const found = [
      finding('a', { depth: 'group', detail: 'far' }),
      finding('a', { depth: 'store', detail: 'near' }),
    ];
    expect(ordered(found)).toEqual([{ code: 'a', severity: 'error', cause: 'a.', next: '', detail: 'near' }]);
  });

  it('keeps several wrong settings', () => {
    const found = [finding('settings', { cause: 'one' }), finding('settings', { cause: 'other' })];
    expect(ordered(found)).toHaveLength(2);
  });

  it('is summed up by the worst', () => {
    expect(statusOf([])).toBe('ok');
    expect(statusOf([finding('a', { severity: 'warning' })])).toBe('warning');
    expect(statusOf([finding('a', { severity: 'warning' }), finding('b')])).toBe('error');
  });
});

describe('what is said', () => {
  it.each([
    ['file', "EACCES: permission denied, access '/data'", 'folder_rights'],
    ['file', 'EROFS: read-only file system', 'folder_rights'],
    ['file', '3 MB of free space in /data', 'disk_full'],
    ['postgres', 'could not extend file "base/1": No space left on device', 'postgres_disk_full'],
    ['postgres', 'the database system is starting up', 'postgres_starting'],
    ['postgres', 'the database is a replica, which does not show who is writing', 'postgres_replica'],
    ['consumer', 'no progress in partition 2', 'partition_stuck'],
    ['consumer', 'the consumer is starting', 'consumer_starting'],
    [
      'consumer',
      'partition 0: 5 records wait, and no member of group "g" has stored any for 20 s',
      'nobody_stores',
    ],
  ] as const)('by %s, "%s", has a cause', (speaker, said, code) => {
    expect(explain(speaker, said, 'a test')).toMatchObject({ code, detail: `a test: ${said}` });
  });

  it.each([
    ['partition 0 cannot be stored: Query read timeout', ['postgres_slow']],
    ['the store cannot be reached: connect ECONNREFUSED 10.0.0.5:5432', ['postgres_refused']],
    ['the log cannot be read: connect ECONNREFUSED 10.0.0.5:9092', ['kafka_refused']],
    ['partition 0 cannot be stored: connect ECONNREFUSED 10.0.0.5:5432', ['postgres_refused']],
    ['partition 0 cannot be stored: Message too large for the topic', ['postgres']],
    [
      'partition 0 cannot be stored: permission denied for table dead_letters; partition 0: 9 records wait, and no member of group "g" has stored any for 40 s',
      ['postgres_rights', 'nobody_stores'],
    ],
  ])('by a consumer, "%s", is that of log or store', (said, codes) => {
    const found = explainConsumer(said, 'a test', { log: 'kafka', store: 'postgres' });
    expect(found.map(({ code }) => code)).toEqual(codes);
  });

  it('is said as it is where nobody knows a cause', () => {
    expect(explain('kafka', 'the moon is full', 'a test')).toMatchObject({
      code: 'kafka',
      cause: 'Kafka does not work: the moon is full',
      next: 'Look for these words in docs/troubleshooting.md',
    });
  });

  it('gives the advice with which a sentence of Footfall ends', () => {
    const said = 'the clock of PostgreSQL is 9 s ahead: let both follow a time server';
    expect(explain('postgres', said, 'a test').next).toBe('Let both follow a time server');
  });
});

describe('metrics', () => {
  it.each([
    ['footfall_append_failures_total{failure="unconfirmed"} 2', 'appends_failed'],
    ['footfall_data_gap_records_total{partition="0"} 2', 'records_lost'],
    ['footfall_log_rewound_records_total{partition="0"} 2', 'log_went_back'],
    ['footfall_reading_restarts_total 2', 'position_went_back'],
    ['footfall_watchdog_restarts_total 2', 'client_stalled'],
    ['footfall_overload_rejections_total 2', 'overloaded'],
    ['footfall_store_connections{state="waiting"} 2', 'connections_short'],
  ])('"%s" tell something', (line, code) => {
    const [found, ...others] = metricFindings(line, 'http://x');
    expect(others).toEqual([]);
    expect(found).toMatchObject({ code, severity: 'warning', cause: expect.stringContaining('2') });
  });

  it('tell nothing where nothing happened', () => {
    expect(
      metricFindings('footfall_reading_restarts_total 0\nfootfall_store_connections{state="busy"} 3', ''),
    ).toEqual([]);
  });
});
