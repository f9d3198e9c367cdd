// Reads all events with the store's own client, each time it is asked over HTTP.
import { serveWork } from './bare.ts';
import { readWithClient } from './own-client.ts';

serveWork(() => readWithClient(process.argv[2]!));
