import { randomUUIDv7 } from 'node:crypto';

export interface ShopEvent {
  eventId: string;
  userId: string;
  eventType: string;
  timestamp: string;
  payload: Record<string, string | number>;
}

const DEVICES = ['iPhone', 'Android', 'Windows', 'Mac', 'iPad'];
const PRODUCTS = [
  ['espresso-maker', 'kitchen', 249],
  ['desk-lamp', 'home', 59],
  ['trail-shoes', 'sport', 129],
  ['headphones', 'electronics', 199],
  ['rain-jacket', 'clothing', 149],
  ['tea-pot', 'kitchen', 39],
  ['e-reader', 'electronics', 139],
  ['yoga-mat', 'sport', 29],
  ['wool-socks', 'clothing', 15],
  ['book-shelf', 'home', 89],
  ['smart-watch', 'electronics', 329],
  ['bread-knife', 'kitchen', 45],
] as const;

/** Average number of products a user views before leaving. */
const VIEWS = 6;
/** Concurrent visits; the shop has more users than that. */
const VISITS = 40;

interface Visit {
  userId: string;
  device: string;
  since: Date;
  views: number;
}

/** Users who log in, look at products and log out; some users and products are far more frequent than others. */
export class Shop {
  readonly #users: number;
  readonly #visits: Visit[] = [];

  constructor(users: number) {
    this.#users = users;
  }

  /** The next events, all with the same time. */
  play(count: number, at: Date): ShopEvent[] {
    return Array.from({ length: count }, () => this.#next(at));
  }

  #next(at: Date): ShopEvent {
    if (this.#visits.length < VISITS && Math.random() < 1 / (VIEWS + 2)) return this.#arrive(at);
    const visit = pick(this.#visits);
    if (visit === undefined) return this.#arrive(at);
    if (Math.random() < 1 / VIEWS) return this.#leave(visit, at);
    visit.views++;
    const [productId, category, price] = popular(PRODUCTS);
    return toEvent(visit.userId, 'PRODUCT_VIEW', at, { productId, category, price });
  }

  #arrive(at: Date): ShopEvent {
    const userId = this.#absentUser();
    const visit = { userId, device: popular(DEVICES), since: at, views: 0 };
    this.#visits.push(visit);
    return toEvent(visit.userId, 'LOGIN', at, { device: visit.device });
  }

  #absentUser(): string {
    for (;;) {
      const userId = `user-${Math.floor(this.#users * Math.random() ** 2.5) + 1}`;
      if (!this.#visits.some((visit) => visit.userId === userId)) return userId;
    }
  }

  #leave(visit: Visit, at: Date): ShopEvent {
    this.#visits.splice(this.#visits.indexOf(visit), 1);
    const seconds = Math.max(0, Math.round((at.getTime() - visit.since.getTime()) / 1000));
    return toEvent(visit.userId, 'LOGOUT', at, { views: visit.views, seconds });
  }
}

function toEvent(userId: string, eventType: string, at: Date, payload: ShopEvent['payload']): ShopEvent {
  return { eventId: randomUUIDv7(), userId, eventType, timestamp: at.toISOString(), payload };
}

function pick<T>(from: readonly T[]): T | undefined {
  return from[Math.floor(Math.random() * from.length)];
}

/** Favours the first items. */
function popular<T>(from: readonly T[]): T {
  return from[Math.floor(from.length * Math.random() ** 2)]!;
}
