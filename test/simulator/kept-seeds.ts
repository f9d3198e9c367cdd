/** Seeds whose histories once broke a promise, and what it was. Every campaign begins with them. */
export const KEPT_SEEDS: Record<number, string> = {
  19: 'a position that went back and came as far again was taken for the same',
  5564: 'a log that was cut behind the last record and written again: what took the place of the marker was passed over',
  5740: 'a reader of the stream was not told of a store that was emptied to where reading had begun',
  8168: 'work that was put off while a process was frozen never reached it (a fault of the simulator)',
  16960: 'a reader of the stream missed what was stored again where it had been told that there was nothing',
  53603: 'as 5564, with no record before the position',
};
