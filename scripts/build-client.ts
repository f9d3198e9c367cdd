import { build } from 'vite';

/** Where the built client lies: `import { Footfall } from 'footfall/client'`. */
export const CLIENT_FILE = 'dist/client/footfall.js';

/** Builds the client as one minified ES module without dependencies. */
export async function buildClient(): Promise<void> {
  await build({
    configFile: false,
    logLevel: 'warn',
    build: {
      outDir: 'dist/client',
      target: 'es2022',
      minify: true,
      lib: { entry: 'client/footfall.ts', formats: ['es'], fileName: () => 'footfall.js' },
    },
  });
}

if (import.meta.main) await buildClient();
