// In: a database. Out: its tables and indexes as this release needs them, also after another one has changed them.
import type { ClientBase } from 'pg';
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../observability/logger.ts';
import { statementError, wasInTheWay } from './errors.ts';
import { type BuildOptions, buildIndexes, keepBuilding } from './index-builds.ts';
import { BeingMigratedError } from './migrate.ts';
import type { Prepared, SchemaKeeper, SchemaOptions } from './schema.ts';
import { type Inspection, inspectSchema } from './schema-inspection.ts';

/** After others were in the way of a migration: those that store have to wait behind each try. */
const PAUSE_MS = 30_000;
/** Between two looks of a person's command at what another instance does. */
const LOOK_EVERY_MS = 1000;
/** For how long what was seen is taken for what is: a newer release may have migrated since, and shut this one out. */
const HOLDS_MS = 1000;

interface TablesOptions {
  withConnection<T>(work: (client: ClientBase) => Promise<T>): Promise<T>;
  connectApart: BuildOptions['connect'];
  keeper: SchemaKeeper;
  /** What the address asks for. */
  searchPath: string | undefined;
  migrates: boolean;
  onlyLooks: boolean;
  logger: Logger;
  clock: Clock;
}

/** The tables, as this process knows them. */
export class Tables {
  readonly #options: TablesOptions;
  /** What is there, once it is as it should be. */
  #prepared: Promise<Prepared> | undefined;
  /** When it was last seen that this release may use them. */
  #seenAt = Number.NEGATIVE_INFINITY;
  /** What a migration failed with because others were in its way; thrown again until then, unless the tables are there. */
  #failed: { error: Error; until: number } | undefined;
  #building: Promise<void> | undefined;
  /** Somebody else owns the tables. */
  #mayNotBuild = false;
  readonly #stopping = new AbortController();
  /** What is said once. */
  readonly #said = new Set<string>();

  constructor(options: TablesOptions) {
    this.#options = options;
  }

  /**
   * Migrates once; again on the next use after a failure, or when tables were found to be missing. If others were in the
   * way, the next uses only look, for half a minute to a minute.
   */
  prepared(): Promise<Prepared> {
    this.#prepared ??= this.#prepare(this.#options.migrates).catch((error) => {
      this.#prepared = undefined;
      throw error;
    });
    return this.#prepared;
  }

  /**
   * Before each use, on its connection. Who never claims would not learn otherwise that a newer release has migrated.
   *
   * @throws StoreUnavailableError if they are no longer for this release
   */
  async stillFit(client: ClientBase): Promise<void> {
    const now = this.#options.clock.now();
    if (now < this.#seenAt + HOLDS_MS) return;
    try {
      await this.#options.keeper.lookBriefly(client);
    } catch (error) {
      this.forget();
      throw error;
    }
    this.#seenAt = now;
  }

  /** The next use looks at what is there. */
  forget(): void {
    this.#prepared = undefined;
  }

  /** Changes nothing. */
  inspect(): Promise<Inspection> {
    const options = this.#schemaOptions(this.#options.migrates);
    return this.#options.withConnection((client) => inspectSchema(client, options));
  }

  /** As after `forget`. Indexes that are missing are built from then on, while everything else goes on. */
  async lookAgain(): Promise<void> {
    this.forget();
    const { unbuilt } = await this.prepared();
    if (unbuilt.length === 0 || this.#building !== undefined) return;
    if (!this.#options.migrates || this.#mayNotBuild) return this.#leaveToOwner(unbuilt);
    this.#building = keepBuilding(this.#buildOptions())
      .catch(() => {
        this.#mayNotBuild = true;
        this.#leaveToOwner(unbuilt);
      })
      .finally(() => {
        this.#building = undefined;
      });
  }

  #leaveToOwner(unbuilt: Prepared['unbuilt']): void {
    const names = unbuilt.map(({ name }) => name).join(', ');
    this.#warnOnce(
      `These indexes are missing or not valid, and queries that need them are slow: ${names}. Run "footfall migrate" as the owner of the tables`,
    );
  }

  /** Creates or changes tables and indexes, whatever the settings say. Resolves when all are there. */
  async migrate(): Promise<void> {
    const { unbuilt } = await this.#migrated();
    if (unbuilt.length === 0) return;
    await buildIndexes(this.#buildOptions()).catch((error) => {
      throw statementError(error, false);
    });
  }

  /** Ends what it builds; PostgreSQL may go on with that. */
  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#building;
  }

  async #prepare(migrates: boolean): Promise<Prepared> {
    const { withConnection, keeper, clock } = this.#options;
    const now = clock.now();
    const failedLately =
      this.#failed !== undefined && now < this.#failed.until ? this.#failed.error : undefined;
    const options = { ...this.#schemaOptions(migrates), failedLately };
    try {
      const prepared = await withConnection((client) => keeper.prepare(client, options));
      this.#seenAt = now;
      return prepared;
    } catch (error) {
      if (error !== failedLately && wasInTheWay(error)) {
        const until = clock.now() + PAUSE_MS * (1 + clock.random());
        this.#failed = { error: error as Error, until };
      }
      throw error;
    }
  }

  /** Migrates now. If another instance is at it, waits for as long as that takes. */
  async #migrated(): Promise<Prepared> {
    const { clock } = this.#options;
    for (;;) {
      this.#failed = undefined;
      try {
        return await this.#prepare(true);
      } catch (error) {
        if (!(error instanceof BeingMigratedError) || this.#stopping.signal.aborted) throw error;
      }
      await clock.sleep(LOOK_EVERY_MS, this.#stopping.signal);
    }
  }

  #warnOnce(text: string): void {
    if (!this.#said.has(text)) this.#options.logger.warn(text);
    this.#said.add(text);
  }

  #schemaOptions(migrates: boolean): SchemaOptions {
    const { searchPath, onlyLooks, logger, clock } = this.#options;
    const stopping = this.#stopping.signal;
    return {
      searchPath,
      migrates,
      onlyLooks,
      logger,
      clock,
      stopping,
      warnOnce: (text) => this.#warnOnce(text),
    };
  }

  #buildOptions(): BuildOptions {
    const { connectApart: connect, searchPath, logger } = this.#options;
    return { connect, searchPath, logger, stopping: this.#stopping.signal };
  }
}
