import fc from 'fast-check';

/** Properties are tried for a moment, and what breaks one is not made smaller: a mutant is dead by any example. */
fc.configureGlobal({ interruptAfterTimeLimit: 200, endOnFailure: true });
