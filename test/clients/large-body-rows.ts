import { same } from './check.ts';
import type { TestCluster } from './ground.ts';
import { fromGo, fromJava, fromNpm, fromPath, fromPyPi } from './install.ts';
import type { Program, Row } from './row.ts';

/** Twelve times what an event may have. */
const BODY_BYTES = 12_000_000;
const PATHS = ['/events/generate', '/v1/track', '/cloudevents'];
const CHECKED = 'a body of 12 MB';

type Status = (program: Program, ground: TestCluster, url: string) => Promise<number>;

async function statusOfProgram(program: Program, ground: TestCluster, url: string): Promise<number> {
  const { pathname, origin } = new URL(url);
  const env = { FOOTFALL_URL: origin, PATHNAME: pathname, BODY_BYTES: String(BODY_BYTES) };
  return (await ground.run<{ status: number }>(program, env)).status;
}

async function statusOfCurl(program: Program, ground: TestCluster, url: string): Promise<number> {
  const args = ['--silent', '--show-error', '--output', '/dev/null', '--write-out', '%{http_code}'];
  const body = ['--header', 'Content-Type: application/json', '--data-binary', '@-', url];
  const curl = { ...program, args: [...args, ...body] };
  return Number(await ground.output(curl, {}, 'x'.repeat(BODY_BYTES)));
}

function largeBodyRow(
  row: Pick<Row, 'name' | 'version' | 'isQuick' | 'install'>,
  status: Status = statusOfProgram,
): Row {
  return {
    ...row,
    checked: CHECKED,
    check: async (program, ground) => {
      const service = await ground.service();
      for (const path of PATHS) same(path, await status(program, ground, `${service.url}${path}`), 413);
    },
  };
}

export const LARGE_BODY_ROWS: Row[] = [
  largeBodyRow(
    { name: 'curl', version: "the machine's", isQuick: true, install: () => fromPath('curl') },
    statusOfCurl,
  ),
  largeBodyRow({
    name: 'fetch (Node)',
    version: "the project's",
    isQuick: true,
    install: () => fromNpm('post.js'),
  }),
  largeBodyRow({
    name: 'urllib (Python)',
    version: "the machine's",
    isQuick: true,
    install: () => fromPyPi('post_urllib.py'),
  }),
  largeBodyRow({
    name: 'requests (Python)',
    version: '2.34.2',
    isQuick: false,
    install: () => fromPyPi('post.py', 'requests==2.34.2'),
  }),
  largeBodyRow({
    name: 'java.net.http',
    version: "the machine's",
    isQuick: false,
    install: () => fromJava('Post.java'),
  }),
  largeBodyRow({
    name: 'net/http (Go)',
    version: "the machine's",
    isQuick: false,
    install: () => fromGo('post'),
  }),
];
