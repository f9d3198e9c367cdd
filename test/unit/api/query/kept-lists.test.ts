import Type from 'typebox';
import { expect, it } from 'vitest';
import { QueryReader } from '../../../../src/api/openapi/query-reader.ts';
import { pageOf, pageParameters, readPlace } from '../../../../src/api/query/kept-lists.ts';

const QUERY = Type.Object(pageParameters(200));

function read(query: Record<string, string>) {
  const reader = new QueryReader(query, QUERY);
  return { place: readPlace(reader), errors: reader.errors };
}

it('a list that is kept in memory is read from its newest entry on, or between two ids', () => {
  expect(read({})).toEqual({ place: { limit: 50, before: undefined, after: undefined }, errors: [] });
  expect(read({ limit: '200', cursor: '30', after: '20' })).toEqual({
    place: { limit: 200, before: 30, after: 20 },
    errors: [],
  });
  expect(read({ limit: '201', cursor: 'm1', after: '-1' }).errors).toEqual([
    'limit must be a whole number from 1 to 200',
    'cursor must be the next of an earlier answer',
    'after must be an id of an earlier answer',
  ]);
});

it('a page of it says where the next one goes on, unless it is the last', () => {
  const entries = [
    { id: 9, text: 'c' },
    { id: 8, text: 'b' },
    { id: 7, text: 'a' },
  ];
  const page = { processId: 'p', entries };
  const events = [
    { id: '9', shown: 'c' },
    { id: '8', shown: 'b' },
    { id: '7', shown: 'a' },
  ];
  const show = ({ text }: { text: string }) => ({ shown: text });
  expect(pageOf({ ...page, limit: 3 }, show)).toEqual({ process: 'p', events, next: '7' });
  expect(pageOf({ ...page, limit: 4 }, show)).toEqual({ process: 'p', events, next: null });
  const empty: typeof entries = [];
  expect(pageOf({ processId: 'p', limit: 1, entries: empty }, show)).toMatchObject({
    events: [],
    next: null,
  });
});
