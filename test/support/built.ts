import { buildClient } from '../../scripts/build-client.ts';
import { buildDashboard } from '../../scripts/build-dashboard.ts';

/** Builds what browsers load, once for all test files of a project: two that built it at once would empty each other's folders. */
export default async function setup(): Promise<void> {
  await buildDashboard();
  await buildClient();
}
