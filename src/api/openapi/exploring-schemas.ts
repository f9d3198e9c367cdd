// Schemas of the responses that explore events: what is different, how far users get, who returns.
import Type from 'typebox';
import { DateTime, Nullable } from './schemas.ts';

const Share = (of: string) => ({ ...Type.Number(), description: `${of}, from 0 to 1.` });

export const EVENT_DIFFERENCE = Type.Object({
  from: DateTime,
  to: DateTime,
  baselineFrom: DateTime,
  baselineTo: DateTime,
  events: { ...Type.Integer(), description: 'Events that are selected.' },
  baselineEvents: { ...Type.Integer(), description: 'Events they are compared with.' },
  comparedFrom: {
    ...Type.Integer(),
    description:
      'Every value that at least this many of the selected events have was compared: 1, unless they have very many different values.',
  },
  values: Type.Array(
    Type.Object({
      name: {
        ...Type.String(),
        description:
          'With `value`, a query parameter that finds these events: `eventType`, `userId`, `payload.MEMBER`, or `payload.MEMBER[exists]` for all events with that member.',
      },
      value: Type.String(),
      events: { ...Type.Integer(), description: 'Selected events that have this value.' },
      share: Share('Of the selected events'),
      baselineEvents: Type.Integer(),
      baselineShare: Share('Of the events they are compared with'),
      difference: { ...Type.Number(), description: '`share` minus `baselineShare`; always above 0.' },
    }),
    { description: 'In descending order of `difference`.' },
  ),
});

export const FUNNEL = Type.Object({
  from: DateTime,
  to: DateTime,
  withinSeconds: Type.Integer(),
  steps: Type.Array(
    Type.Object({
      eventType: Type.String(),
      users: { ...Type.Integer(), description: 'Users who have come as far as this step.' },
      share: Nullable(Share('Of the users of the first step')),
      shareOfPrevious: Nullable(Share('Of the users of the step before')),
      medianMs: Nullable({
        ...Type.Number(),
        description: 'Milliseconds since the step before, of the user in the middle.',
      }),
    }),
  ),
});

export const RETURNING_USERS = Type.Object({
  from: DateTime,
  to: DateTime,
  timeZone: Type.String(),
  weeks: Type.Array(
    Type.Object({
      start: { ...DateTime, description: 'The beginning of Monday.' },
      users: { ...Type.Integer(), description: 'Users whose first event of the range is in this week.' },
      returned: Type.Array(Type.Integer(), {
        description: 'How many of these users have events in each of the weeks after.',
      }),
    }),
    { description: 'The first may be cut by `from`, the last by `to`.' },
  ),
});
