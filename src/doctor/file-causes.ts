import type { KnownCause } from './finding.ts';

/** The first that fits counts. */
export const FILE_CAUSES: readonly KnownCause[] = [
  {
    code: 'file_in_use',
    said: /is in use by another process/,
    cause: 'Another process has the data',
    next: 'Stop it, or give this one a DATA_DIR of its own',
  },
  {
    code: 'file_newer',
    said: /of a newer Footfall/,
    cause: 'The data is of a newer Footfall',
    next: 'Install that version or a later one; this one would damage what it does not know',
  },
  {
    code: 'file_damaged',
    said: /not a database|malformed|corrupt/,
    cause: 'The data file is damaged, or another kind of file',
    next: 'Restore it from a backup, or give Footfall another DATA_DIR',
  },
  {
    code: 'disk_full',
    said: /disk is full|No space left|ENOSPC|disk I\/O error|free space/i,
    cause: 'Nothing can be written in DATA_DIR, whose disk is most likely full',
    next: 'Free space there; Footfall then recovers by itself',
  },
  {
    code: 'folder_unusable',
    said: /is not a folder|ENOTDIR/,
    cause: 'DATA_DIR is not a folder',
    next: 'Correct DATA_DIR, or mount the volume that should be there',
  },
  {
    code: 'folder_rights',
    said: /EACCES|EPERM|EROFS|permission denied|read-only|readonly|unable to open/i,
    cause: 'Footfall may not write in DATA_DIR',
    next: 'Give the folder and its files to the user that runs Footfall (chown), or mount it writable',
  },
];
