import { globSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';

/** Where the page is that the service serves at `/`. */
export const PAGE_FOLDER = 'dist/dashboard';
const SOURCES = ['dashboard/**/*', 'package-lock.json'];

/** Builds the page, with a compressed copy of each file beside it. */
export async function buildDashboard(): Promise<void> {
  const { build } = await import('vite');
  await build({
    configFile: false,
    logLevel: 'warn',
    root: 'dashboard',
    oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
    build: {
      outDir: `../${PAGE_FOLDER}`,
      emptyOutDir: true,
      target: 'es2024',
      // The licences of what is built into the page, as they ask for.
      license: { fileName: 'licenses.md' },
      // Nothing is inlined: the page's policy allows no inline scripts, styles or images.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
  });
  for (const path of globSync(`${PAGE_FOLDER}/**/*.{html,js,css,svg}`)) {
    const content = await readFile(path);
    await writeFile(`${path}.gz`, gzipSync(content, { level: 9 }));
    await writeFile(`${path}.br`, brotliCompressSync(content));
  }
}

/** Whether nothing has changed since the last build. */
function isBuilt(): boolean {
  const page = statSync(`${PAGE_FOLDER}/index.html`, { throwIfNoEntry: false });
  return page !== undefined && globSync(SOURCES).every((path) => statSync(path).mtimeMs <= page.mtimeMs);
}

function hasTools(): boolean {
  try {
    import.meta.resolve('vite');
    return true;
  } catch {
    return false;
  }
}

if (import.meta.main && !isBuilt()) {
  if (hasTools()) await buildDashboard();
  else console.warn('The page at / is left out: building it needs the development dependencies (npm ci).');
}
