/** What an adapter found of its server beyond whether it works. */
export interface Examination {
  /** What works now and may do harm later; a sentence each, with what to change. */
  warnings: string[];
  /** For a support bundle: versions, sizes, settings. Nothing of an event, and no secret. */
  facts: Record<string, unknown>;
}
