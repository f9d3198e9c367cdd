import { describe, expect, it } from 'vitest';
import { checkHistory, type History } from '../../faults/check-history.ts';

/** Three events of one user and a piece of junk, all as it should be. */
function sound(): History {
  const events = [0, 1, 3].map((offset) => {
    const key = `00000000-0000-7000-8000-00000000000${offset}`;
    return { topicId: 't', partition: 0, offset, event: { key, userId: 'u', json: `{"n":${offset}}` } };
  });
  return {
    acked: events.map(({ event, ...place }) => ({
      eventId: event.key,
      userId: 'u',
      json: event.json,
      ...place,
    })),
    topic: [events[0]!, events[1]!, { topicId: 't', partition: 0, offset: 2, event: undefined }, events[2]!],
    stored: events.map(({ event }) => event),
    deadLetters: [{ topicId: 't', partition: 0, offset: 2 }],
    positions: [
      {
        topicId: 't',
        partition: 0,
        startOffset: 0,
        offset: 4,
        stored: 3,
        duplicates: 0,
        deadLettered: 1,
        withoutRecord: 0,
        lost: 0,
        rewound: 0,
      },
    ],
    ends: [{ topicId: 't', partition: 0, offset: 4 }],
    counted: { users: [{ userId: 'u', events: 3 }], total: 3, distinct: [1, 1] },
    deleted: [],
  };
}

describe('the history checker', () => {
  it('finds nothing in a sound history', () => {
    expect(checkHistory(sound())).toEqual({
      counts: {
        acknowledged: 3,
        'in the topic': 4,
        stored: 3,
        duplicates: 0,
        'dead-lettered': 1,
        'deleted unprocessed': 0,
        'lost with the log or the tables': 0,
        lost: 0,
        reordered: 0,
      },
      violations: [],
    });
  });

  it('sees what was counted other than it was stored', () => {
    const history = sound();
    for (const counted of [
      { ...history.counted, users: [{ userId: 'u', events: 4 }] },
      { ...history.counted, users: [] },
      { ...history.counted, total: 2 },
      { ...history.counted, distinct: [2, 1] as [number, number] },
    ]) {
      expect(checkHistory({ ...history, counted }).violations).toEqual([
        expect.stringContaining('I2 counted other than stored'),
      ]);
    }
  });

  it('accepts an event that was never acknowledged, and one that is in the topic twice', () => {
    const history = sound();
    const again = { ...history.topic[0]!, offset: 4 };
    expect(
      checkHistory({
        ...history,
        acked: history.acked.slice(1),
        topic: [...history.topic, again],
        positions: [{ ...history.positions[0]!, offset: 5, duplicates: 1 }],
        ends: [{ ...history.ends![0]!, offset: 5 }],
      }).violations,
    ).toEqual([]);
  });

  it('accepts that what retention deleted is not stored, if it is reported', () => {
    const history = sound();
    const deleted = history.topic.slice(3);
    const counted = { ...history.positions[0]!, stored: 2 };
    const without = {
      ...history,
      topic: history.topic.slice(0, 3),
      deleted,
      stored: history.stored.slice(0, 2),
      counted: { users: [{ userId: 'u', events: 2 }], total: 2, distinct: [1, 1] as [number, number] },
    };
    expect(checkHistory({ ...without, positions: [{ ...counted, lost: 1 }] }).violations).toEqual([]);
    expect(checkHistory({ ...without, positions: [{ ...counted, duplicates: 1 }] }).violations).toContain(
      'I4 partition 0: 1 deleted, but 0 reported',
    );
  });

  it('counts what retention deleted among the records, whether it was lost or an instance had it in hand', () => {
    const history = sound();
    const deleted = history.topic.slice(1);
    const inHand = { ...history, topic: history.topic.slice(0, 1), deleted };
    expect(checkHistory(inHand).violations).toEqual([]);
    // The broker has forgotten that it deleted them.
    expect(checkHistory({ ...inHand, topic: history.topic }).violations).toEqual([]);
    const positions = [{ ...history.positions[0]!, duplicates: 1, offset: 5 }];
    const ends = [{ ...history.ends![0]!, offset: 5 }];
    expect(checkHistory({ ...inHand, positions, ends }).violations).toEqual([
      'I4 partition 0: 4 records, but 5 accounted for',
    ]);
  });

  it('accepts an offset without a record only where the log has none', () => {
    const history = sound();
    const [account] = history.positions;
    const ends = [{ ...history.ends![0]!, offset: 5 }];
    const withMarker = { ...history, ends, positions: [{ ...account!, offset: 5, withoutRecord: 1 }] };
    expect(checkHistory(withMarker).violations).toEqual([]);
    expect(
      checkHistory({ ...history, positions: [{ ...account!, stored: 2, withoutRecord: 1 }] }).violations,
    ).toContain('I4 partition 0: 4 records, but 3 accounted for');
  });

  it('accepts that what was lost with a log that was put back is not stored, and none but that', () => {
    const history = sound();
    const again = { ...history.topic[3]!, event: { key: 'later', userId: 'u', json: '{}' } };
    const written = {
      ...history,
      topic: [...history.topic.slice(0, 3), again],
      stored: [...history.stored.slice(0, 2), again.event],
    };
    expect(checkHistory({ ...written, gone: [history.topic[3]!] }).violations).toEqual([]);
    expect(checkHistory({ ...written, gone: [again] }).violations.join('\n')).toContain(
      'I1 acknowledged and not stored',
    );
  });

  it('accepts offsets that were used again only where the ledger has them twice', () => {
    const history = sound();
    const again = { ...history.topic[3]!, event: { key: 'later', userId: 'u', json: '{}' } };
    const [account] = history.positions;
    const rewritten = {
      ...history,
      topic: [...history.topic.slice(0, 3), again],
      rewritten: [history.topic[3]!],
      rewound: [{ topicId: 't', partition: 0, count: 1 }],
      stored: [...history.stored, again.event],
      counted: { users: [{ userId: 'u', events: 4 }], total: 4, distinct: [1, 1] as [number, number] },
    };
    const positions = [{ ...account!, stored: 4, rewound: 1 }];
    expect(checkHistory({ ...rewritten, positions }).violations).toEqual([]);
    expect(checkHistory({ ...rewritten, rewound: [], positions }).violations).toEqual([
      'I4 partition 0: 1 rewound instead of 0',
    ]);
    expect(checkHistory({ ...rewritten, positions: [{ ...account!, stored: 4 }] }).violations).toEqual([
      'I4 partition 0: 0 rewound instead of 1',
      'I4 partition 0: 4 passed, but 4 stored + 0 duplicates + 1 dead-lettered + 0 without a record + 0 lost',
    ]);
    expect(
      checkHistory({ ...rewritten, positions, stored: rewritten.stored.slice(1) }).violations.join('\n'),
    ).toContain('I1 acknowledged and not stored');
  });

  it('counts what is stored under positions that were emptied', () => {
    const history = sound();
    const positions = [{ ...history.positions[0]!, stored: 0, duplicates: 3 }];
    expect(checkHistory({ ...history, positions, uncounted: 3 }).violations).toEqual([]);
    expect(checkHistory({ ...history, positions }).violations).toEqual(['I4 0 counted as stored, 3 stored']);
  });

  it.each<[string, (history: History) => Partial<History>]>([
    ['I1 acknowledged and not stored', ({ stored }) => ({ stored: stored.slice(0, 2) })],
    [
      'I1 acknowledged and stored as another event',
      ({ acked }) => ({ acked: [{ ...acked[0]!, json: '{"n":7}' }, ...acked.slice(1)] }),
    ],
    ['I1 in the topic and not stored', ({ stored }) => ({ stored: stored.slice(1) })],
    [
      'I1 acknowledged and not where the receipt says',
      ({ acked }) => ({ acked: [{ ...acked[0]!, offset: 1 }] }),
    ],
    ['I1 no event and not among the dead letters', () => ({ deadLetters: [] })],
    [
      'good events among the dead letters',
      ({ deadLetters }) => ({ deadLetters: [...deadLetters, { topicId: 't', partition: 0, offset: 3 }] }),
    ],
    ['I2 stored twice', ({ stored }) => ({ stored: [...stored, stored[0]!] })],
    [
      'I2 stored and never in the topic',
      ({ stored }) => ({ stored: [...stored, { key: 'x', userId: 'u', json: '{}' }] }),
    ],
    [
      'I2 stored with another body',
      ({ stored }) => ({ stored: [{ ...stored[0]!, json: '{}' }, ...stored.slice(1)] }),
    ],
    ['I3 stored against the order', ({ stored }) => ({ stored: stored.toReversed() })],
    ['I4 partition 0 is at 3 of 4', ({ positions }) => ({ positions: [{ ...positions[0]!, offset: 3 }] })],
    [
      'I4 partition 0: 4 passed, but',
      ({ positions }) => ({ positions: [{ ...positions[0]!, duplicates: 1 }] }),
    ],
    [
      'I4 2 counted as stored',
      ({ positions }) => ({ positions: [{ ...positions[0]!, stored: 2, duplicates: 1 }] }),
    ],
  ])('notices: %s', (violation, change) => {
    const history = sound();
    const { violations } = checkHistory({ ...history, ...change(history) });
    expect(violations.join('\n')).toContain(violation);
  });
});
