// A part of the time in a plot of bars, chosen by dragging over it, by a click, or by keys.
import type UPlot from 'uplot';

type Narrow = (from: number, to: number) => void;

/** @param narrow the one of the present picture, if any */
export function choosing(barSeconds: number, narrow: () => Narrow | undefined): UPlot.Hooks.Arrays {
  /** Whole bars that are shown. */
  const choose = ({ data: [times] }: UPlot, from: number, to: number) => {
    const first = Math.floor(from / barSeconds) * barSeconds;
    const end = Math.ceil(to / barSeconds) * barSeconds;
    const last = times.at(-1)! + barSeconds;
    narrow()?.(Math.max(first, times[0]!), Math.min(Math.max(end, first + barSeconds), last));
  };
  return {
    setSelect: [
      (plot) => {
        const { left, width } = plot.select;
        if (width === 0) return;
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        choose(plot, plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x'));
      },
    ],
    ready: [
      (plot) => {
        plot.over.addEventListener('click', () => {
          const at = plot.posToVal(plot.cursor.left ?? 0, 'x');
          choose(plot, at, at);
        });
      },
    ],
  };
}

/** @returns the bar that a key goes to from one; undefined for other keys */
export function barAfter(key: string, at: number, bars: number): number | undefined {
  const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: bars - 1 }[key];
  return next === undefined ? undefined : Math.min(Math.max(next, 0), bars - 1);
}
