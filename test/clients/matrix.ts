import { BROWSER_ROWS } from './browser-rows.ts';
import { CLOUD_EVENTS_ROWS } from './cloud-events-rows.ts';
import { GENERATED_ROWS } from './generated-rows.ts';
import { KAFKA_ROWS } from './kafka-rows.ts';
import { LARGE_BODY_ROWS } from './large-body-rows.ts';
import type { Row } from './row.ts';
import { SEGMENT_ROWS } from './segment-rows.ts';
import { SHIPPER_ROWS } from './shipper-rows.ts';

/** Every client there is a row for, in the order in which they are run and printed. */
export const ROWS: Row[] = [
  ...SEGMENT_ROWS,
  ...BROWSER_ROWS,
  ...CLOUD_EVENTS_ROWS,
  ...SHIPPER_ROWS,
  ...LARGE_BODY_ROWS,
  ...GENERATED_ROWS,
  ...KAFKA_ROWS,
];

const BEGIN = '<!-- npm run clients -- --write-docs: begin -->';
const END = '<!-- npm run clients -- --write-docs: end -->';

/** A page with the table of all rows between its two markers. @throws Error where it has none */
export function withTable(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`the page has no "${BEGIN}" and "${END}"`);
  return `${before}${BEGIN}\n${table()}\n${END}${after}`;
}

function table(): string {
  const lines = ROWS.map(
    ({ name, version, checked, isQuick }) =>
      `| ${name} | ${version} | ${checked} | ${isQuick ? 'yes' : ''} |`,
  );
  return ['| client | version | what is checked | each time in CI |', '|---|---|---|---|', ...lines].join(
    '\n',
  );
}
