import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MIGRATIONS, made, parseMigration } from '../../../../src/store/postgres/migration-files.ts';

const FILES = globSync('src/store/postgres/migrations/*.sql')
  .sort()
  .map((path) => ({ name: basename(path, '.sql'), text: readFileSync(path, 'utf8') }));
/** The newest of those from before migrations said who works on beside them. */
const SILENT_UP_TO = '0008_ranges';

const FILE = `-- Compatible from 0007_before: nobody writes the table.
create table notes (id integer);
create index notes_by_id on notes (id);
create unique index concurrently notes_by_both
  on notes (id, (id + 1)) where id > 0;
alter table events add column note text;
create index concurrently events_by_note on events (note, seq);
`;

describe('a migration', () => {
  const parsed = parseMigration('0008_notes', FILE);

  it('leaves the indexes that it builds concurrently out of its transaction', () => {
    expect(parsed.text).toBe(`-- Compatible from 0007_before: nobody writes the table.
create table notes (id integer);
create index notes_by_id on notes (id);
alter table events add column note text;
`);
    expect(parsed.indexes).toEqual([
      {
        name: 'notes_by_both',
        table: 'notes',
        statement: 'create unique index concurrently notes_by_both\n  on notes (id, (id + 1)) where id > 0;',
      },
      {
        name: 'events_by_note',
        table: 'events',
        statement: 'create index concurrently events_by_note on events (note, seq);',
      },
    ]);
  });

  it('has everything in its transaction where it makes the tables', () => {
    expect(parsed.whole).toBe(FILE.replaceAll(' concurrently', ''));
  });

  it('says which tables it makes, and who works on beside it', () => {
    expect(parsed).toMatchObject({ tables: ['notes'], compatibleFrom: '0007_before' });
    expect(parseMigration('0009_more', 'drop table notes;').compatibleFrom).toBeNull();
  });
});

describe('what migrations make', () => {
  it('lacks what a later one drops, and has what it makes again', () => {
    const first = parseMigration('0001_first', FILE);
    const dropped = parseMigration('0002_less', 'drop table notes;\ndrop index if exists events_by_note;\n');
    expect(dropped).toMatchObject({ droppedTables: ['notes'], droppedIndexes: ['events_by_note'] });
    const again =
      'create table notes (id integer);\ncreate index concurrently events_by_note on events (note);\n';
    expect(made([first]).tables).toEqual(['notes']);
    expect(made([first]).indexes.map(({ name }) => name)).toEqual(['notes_by_both', 'events_by_note']);
    expect(made([first, dropped])).toEqual({ tables: [], indexes: [] });
    expect(made([first, dropped, parseMigration('0003_again', again)])).toMatchObject({
      tables: ['notes'],
      indexes: [{ statement: 'create index concurrently events_by_note on events (note);' }],
    });
  });
});

describe('the migrations', () => {
  it('drop tables and indexes in the two forms that are understood, and rename neither', () => {
    const changes = FILES.flatMap(
      ({ text }) => text.match(/^.*\b(?:drop\s+(?:table|index)|rename\s+to)\b.*$/gim) ?? [],
    );
    const understood = /^drop (?:table|index if exists) (?!if\b)\w+;$/;
    expect(changes.filter((line) => !understood.test(line))).toEqual([]);
  });

  it('are read in their order, each with a number of its own', () => {
    expect(MIGRATIONS.map(({ name }) => name)).toEqual(FILES.map(({ name }) => name));
    expect(FILES.map(({ name }) => name.slice(0, 4))).toEqual(
      FILES.map((_, at) => String(at + 1).padStart(4, '0')),
    );
  });

  it('build the indexes of tables that others made concurrently, each under a name that is not taken', () => {
    const plain = FILES.flatMap(({ name, text }) =>
      [...text.matchAll(/^\s*create (?:unique )?index (?!concurrently\b)\w+ on (\w+)/gim)].map((found) => ({
        name,
        table: found[1]!,
      })),
    );
    const own = (name: string) => MIGRATIONS.find((one) => one.name === name)!.tables;
    expect(plain.filter(({ name, table }) => !own(name).includes(table))).toEqual([]);
    const written = FILES.flatMap(
      ({ text }) => text.match(/^\s*create (unique )?index concurrently/gim) ?? [],
    );
    const indexes = MIGRATIONS.flatMap((one) => one.indexes);
    expect(indexes).toHaveLength(written.length);
    expect(new Set(indexes.map(({ name }) => name)).size).toBe(indexes.length);
  });

  it('say which releases work on beside them, or that none does', () => {
    const names = FILES.map(({ name }) => name);
    const silent = FILES.filter(({ name }) => name > SILENT_UP_TO).filter(({ name, text }) => {
      const [, from, why] = /^-- (?:Compatible from (\w+)|Incompatible): (.+)$/m.exec(text) ?? [];
      return why === undefined || (from !== undefined && !(names.includes(from) && from < name));
    });
    expect(silent.map(({ name }) => name)).toEqual([]);
  });
});
