// How soon the page says that something is down or back: test/unit/dashboard/status-times.test.ts adds these up.

/** From an answer of the probes to the next question. */
export const EVERY_MS = 700;
/** An answer older than this says nothing about now. */
export const FRESH_MS = 2800;
/** How often the age of the answer is looked at. */
export const BEAT_MS = 200;
