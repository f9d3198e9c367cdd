import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const KAFKA_4 = '4.1.0';
export const KAFKA_3 = '3.9.1';
const LOG4J = '2.24.3';

/** Raised when a required program is not on the PATH; the message says what to install. */
export class MissingProgramError extends Error {
  constructor(program: string, debianPackage: string) {
    super(
      `${program} is not on the PATH. Install it (Debian and Ubuntu: sudo apt-get install ${debianPackage}; macOS: brew install ${program === 'Java' ? 'openjdk@17' : 'maven'}), or start Kafka with Docker instead: docker compose up -d kafka`,
    );
    this.name = 'MissingProgramError';
  }
}

/** @throws MissingProgramError when real Kafka cannot run here */
export async function requireJavaAndMaven(): Promise<void> {
  await requireJava();
  await requireProgram('mvn', ['--version'], 'Maven', 'maven');
}

async function requireJava(): Promise<void> {
  await requireProgram('java', ['-version'], 'Java', 'openjdk-17-jre-headless');
}

async function requireProgram(
  command: string,
  args: string[],
  name: string,
  debianPackage: string,
): Promise<void> {
  try {
    await promisify(execFile)(command, args);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new MissingProgramError(name, debianPackage);
  }
}

/**
 * The folder with Kafka's jars (and ZooKeeper's, for 3.x), fetched from Maven Central once per machine.
 *
 * @param progress called when a download starts
 * @throws MissingProgramError
 */
export async function kafkaJars(version: string, progress: (text: string) => void): Promise<string> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'footfall');
  const folder = join(cache, `kafka-${version}`);
  if (existsSync(folder)) {
    await requireJava();
    return folder;
  }
  await requireJavaAndMaven();
  progress(`Fetching Apache Kafka ${version} from Maven Central (about 55 MB, once)…`);
  await mkdir(cache, { recursive: true });
  // Into a temporary folder, renamed when complete: concurrent or incomplete downloads do no harm.
  const work = await mkdtemp(join(cache, 'download-'));
  try {
    await writeFile(join(work, 'pom.xml'), pom(version));
    await mavenCopy(work);
    await rename(join(work, 'jars'), folder).catch((error: NodeJS.ErrnoException) => {
      if (!['ENOTEMPTY', 'EEXIST'].includes(error.code ?? '')) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return folder;
}

async function mavenCopy(work: string): Promise<void> {
  const maven = spawn('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=jars'], {
    cwd: work,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  maven.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const code = await new Promise((resolve) => maven.once('close', resolve));
  if (code !== 0) throw new Error(`Maven could not fetch Kafka's jars:\n${output}`);
}

function pom(version: string): string {
  const dependencies = [
    `org.apache.kafka:kafka_2.13:${version}`,
    // The console tools are a separate module.
    `org.apache.kafka:kafka-tools:${version}`,
    // Kafka 4 ships no logging backend; 3.x includes one.
    ...(version.startsWith('3.') ? [] : [`org.apache.logging.log4j:log4j-slf4j-impl:${LOG4J}`]),
  ].map((coordinates) => {
    const [group, artifact, artifactVersion] = coordinates.split(':');
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${artifactVersion}</version></dependency>`;
  });
  return `<project><modelVersion>4.0.0</modelVersion><groupId>footfall</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging><dependencies>${dependencies.join('')}</dependencies></project>`;
}
