import { spawn } from 'node:child_process';

// Vitest's options, plus --verbose, which other runners use for its reporter.
const args = process.argv.slice(2).map((option) => (option === '--verbose' ? '--reporter=verbose' : option));
const vitest = spawn('vitest', ['run', ...args], { stdio: 'inherit' });
vitest.once('exit', (code, signal) => process.exit(signal ? 1 : code));
