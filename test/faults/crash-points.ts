import { globSync, readFileSync } from 'node:fs';

/** A comment of the source that says what a crash at this place leaves. */
export interface CrashPoint {
  /** `FILE:LINE`. */
  id: string;
  says: string;
}

const MARK = /^\s*\/\/ (?:.*)?If we die/;
/** Not part of a service on Kafka and PostgreSQL; killing the embedded one has a test of its own. */
const ELSEWHERE = /\/(embedded|sqlite)\//;
/** Run once in the life of a database: a process that starts under load never comes there. They have a test of their own. */
export const MIGRATION = 'src/store/postgres/migrate.ts';
export const INDEX_BUILDS = 'src/store/postgres/index-builds.ts';

/** Runs in a command: torture lets that die, not an instance. */
export const RESET = 'src/operations/reset-positions.ts';

/** Where events are removed, which an instance under torture does not do yet. */
const RETENTION = ['src/operations/retention.ts', 'src/store/postgres/retention.ts'];

/** Every place where the source says what a crash leaves: those that an instance comes to under load, unless told otherwise. */
export function crashPoints(
  matches = (file: string) =>
    !ELSEWHERE.test(file) && ![MIGRATION, INDEX_BUILDS, RESET, ...RETENTION].includes(file),
): CrashPoint[] {
  return globSync('src/**/*.ts')
    .filter(matches)
    .sort()
    .flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line, at) =>
          MARK.test(line) ? [{ id: `${file}:${at + 1}`, says: line.trim().slice(3) }] : [],
        ),
    );
}

/** The source of a file with a kill -9 of itself at a point. */
export function dyingAt(source: string, id: string): string {
  const lines = source.split('\n');
  const line = Number(id.split(':')[1]) - 1;
  if (!MARK.test(lines[line] ?? '')) throw new Error(`there is no crash point at ${id}`);
  lines[line] = "process.kill(process.pid, 'SIGKILL');";
  return lines.join('\n');
}
