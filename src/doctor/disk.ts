// In: settings. Out: whether there is room where Footfall writes its own files.
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Config, ownFolder } from '../config/config.ts';
import type { PlacedFinding } from './finding.ts';
import { explain } from './said.ts';

/** Less than a minute of many events. */
const LEAST_MB = 64;

export async function diskFindings(config: Config): Promise<PlacedFinding[]> {
  const folder = ownFolder(config);
  if (folder === undefined) return [];
  const disk = await statfs(nearestExisting(folder)).catch(() => undefined);
  if (disk === undefined) return [];
  const freeMb = Math.floor((disk.bavail * disk.bsize) / 1e6);
  if (freeMb >= LEAST_MB) return [];
  return [explain('file', `${freeMb} MB of free space in ${folder}`, 'the file system')];
}

/** The folder is made at the start. */
function nearestExisting(folder: string): string {
  return existsSync(folder) ? folder : nearestExisting(dirname(folder));
}
