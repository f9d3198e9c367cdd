// Lists that a process of the service keeps in memory, newest first: asked again and again for what is new.
import { explain, get } from './api.ts';

/** Entries whose ids ascend. Ids of one process mean nothing in another. */
export interface Page<T> {
  process: string;
  items: T[];
  next: string | null;
}

export interface NewestListener<T> {
  /**
   * @param page newest first @param missed how many there were between these and the last
   * @param isFirst whether they may be from before the page was opened
   */
  onPage(page: Page<T>, missed: number, isFirst: boolean): void;
  /** @param problem undefined when it works again */
  onProblem(problem: string | undefined): void;
}

/**
 * @param read what is newer than an id, or the newest of all
 * @returns ends it
 */
export function followNewest<T extends { id: string }>(
  read: (after: string | undefined) => Promise<Page<T>>,
  everyMs: number,
  { onPage, onProblem }: NewestListener<T>,
): () => void {
  let isEnded = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** An instance may have several processes, and any of them may answer. */
  const lastIds = new Map<string, string>();
  let process: string | undefined;

  async function ask(isSecond = false): Promise<void> {
    const after = process === undefined ? undefined : lastIds.get(process);
    const page = await read(after);
    if (isEnded) return;
    const isOther = page.process !== process && after !== undefined;
    // An id of another process says nothing: asked again with its own, and if processes take turns, next time with none.
    process = isOther && isSecond ? undefined : page.process;
    if (isOther) return isSecond ? undefined : ask(true);
    const last = lastIds.get(page.process);
    const items = page.items.filter(({ id }) => last === undefined || Number(id) > Number(last));
    const oldest = items.at(-1);
    const missed = last === undefined || !oldest ? 0 : Number(oldest.id) - Number(last) - 1;
    lastIds.set(page.process, items[0]?.id ?? last ?? '0');
    // A page that reaches what is known leaves nothing out.
    const next = items.length < page.items.length ? null : page.next;
    onPage({ ...page, items, next }, missed, last === undefined);
  }

  async function keepAsking(): Promise<void> {
    if (!document.hidden) {
      const problem = await ask().then(() => undefined, explain);
      if (isEnded) return;
      onProblem(problem);
    }
    timer = setTimeout(keepAsking, everyMs);
  }

  keepAsking();
  return () => {
    isEnded = true;
    clearTimeout(timer);
  };
}

export interface RejectedEvent {
  id: string;
  rejectedAt: string;
  caller: string | null;
  code: string;
  path: string;
  errors: string[];
  body: string | null;
  truncated: boolean;
}

/** @param path such as `/events/rejected` @param query such as `code=invalid_event` */
export async function readList<T>(path: string, query: Record<string, string>): Promise<Page<T>> {
  const { events, ...page } = await get<{ process: string; events: T[]; next: string | null }>(
    `${path}?${new URLSearchParams(query)}`,
  );
  return { ...page, items: events };
}

/** What is listed of each process, by its name. */
export type Pages<T> = ReadonlyMap<string, Page<T>>;

/** Where a process has more new ones than a page holds, what was listed of it before is let go. */
export function withNewer<T>(pages: Pages<T>, newest: Page<T>): Pages<T> {
  const listed = pages.get(newest.process);
  const isWhole = listed === undefined || newest.next !== null;
  const page = isWhole ? newest : { ...listed, items: [...newest.items, ...listed.items] };
  return new Map(pages).set(newest.process, page);
}

export function withOlder<T>(pages: Pages<T>, older: Page<T>): Pages<T> {
  const listed = pages.get(older.process)?.items ?? [];
  return new Map(pages).set(older.process, { ...older, items: [...listed, ...older.items] });
}
