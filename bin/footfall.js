#!/usr/bin/env node
import './check-node.js';
import { existsSync } from 'node:fs';

// The package holds JavaScript; a clone is run as it is.
const isBuilt = existsSync(new URL('../lib/main.js', import.meta.url));
// Not before the version is checked: an old Node.js does not read it.
await import(isBuilt ? '../lib/main.js' : '../src/main.ts');
