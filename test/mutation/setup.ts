import fc from 'fast-check';

/** Rooms whose properties are tried for a moment: most of them run a thousand times. */
const IN_BRIEF = ['src/events', 'src/json'];

const inBrief = IN_BRIEF.some((one) => process.env.MUTATED_ROOM?.startsWith(one));

// What breaks a property is not made smaller: a mutant is dead by any example. No limit where properties are asynchronous:
// fast-check fails one whose first run is interrupted, so that a slow machine would kill mutants.
fc.configureGlobal({ endOnFailure: true, ...(inBrief && { interruptAfterTimeLimit: 200 }) });
