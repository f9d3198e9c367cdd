export type Dependency = 'log' | 'store';

/**
 * What becomes of a call. `lost before`: it was not carried out, and its sender learns only that there was no answer;
 * `lost after`: it was carried out; `late`: it is carried out after its sender has given up; `partly`: an append of
 * which one partition's records came through.
 */
export type Fate = 'answered' | 'refused' | 'hangs' | 'lost before' | 'lost after' | 'late' | 'partly';

export type Loss = Exclude<Fate, 'answered' | 'refused' | 'hangs'>;

interface ArmedLoss {
  call: string;
  loss: Loss;
  left: number;
}

interface Outage {
  /** Undefined for everybody. */
  process: string | undefined;
  dependency: Dependency;
  until: number;
  /** Calls are not refused, but never answered. */
  hangs: boolean;
}

/** What is broken just now. */
export class Conditions {
  #retrier: Outage[] = [];
  #losses: ArmedLoss[] = [];

  breakOff(outage: Outage): void {
    this.#retrier.push(outage);
  }

  /** The next `times` calls of this name lose their answer. */
  lose(call: string, loss: Loss, times: number): void {
    this.#losses.push({ call, loss, left: times });
  }

  heal(): void {
    this.#retrier = [];
    this.#losses = [];
  }

  fateOf(process: string, dependency: Dependency, call: string, now: number): Fate {
    for (const outage of this.#retrier) {
      if (outage.dependency !== dependency || outage.until <= now) continue;
      if (outage.process === undefined || outage.process === process)
        return outage.hangs ? 'hangs' : 'refused';
    }
    const armed = this.#losses.find((one) => one.call === call && one.left > 0);
    if (armed === undefined) return 'answered';
    armed.left--;
    return armed.loss;
  }
}
