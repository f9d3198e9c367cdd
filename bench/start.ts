// From the start of the process until it answers, embedded, with nothing stored.
import { join } from 'node:path';
import type { BenchOptions, TestCluster } from './ground.ts';
import type { Row } from './rows.ts';

export async function benchStart(ground: TestCluster, { runs }: BenchOptions): Promise<Row[]> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const footfall = await ground.footfall({ DATA_DIR: join(ground.folder, `start-${run}`) });
    times.push(footfall.startMs);
    await footfall.stop();
  }
  return [
    {
      part: 'start',
      what: 'start-up until ready, embedded',
      unit: 'ms',
      runs: times,
      wanted: { atMost: 1000 },
    },
  ];
}
