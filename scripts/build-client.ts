import { build } from 'vite';

/**
 * Where the built client is: `import { Footfall } from 'footfall/client'`, and its spool: `'footfall/client/spool'`.
 */
export const CLIENT_FILE = 'dist/client/footfall.js';
export const SPOOL_FILE = 'dist/client/spool.js';

/** Builds the client as one minified ES module without dependencies, and its spool as another. */
export async function buildClient(): Promise<void> {
  // Sequential: together they would share a third file.
  for (const name of ['footfall', 'spool']) {
    await build({
      configFile: false,
      logLevel: 'warn',
      build: {
        outDir: 'dist/client',
        emptyOutDir: false,
        target: 'es2022',
        // Vite does not minify the whitespace of a library.
        rolldownOptions: { output: { minify: true } },
        lib: { entry: `client/${name}.ts`, formats: ['es'], fileName: () => `${name}.js` },
      },
    });
  }
}

if (import.meta.main) {
  await buildClient();
  console.log(`Built ${CLIENT_FILE} and ${SPOOL_FILE}`);
}
